//! One run of a seed, from its plan to its verdict.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::listed::Listed;
use super::options::{Clock, Options};
use crate::edn::Edn;
use crate::report;
use crate::results::{self, Ending, Expectations, Results, kinds};
use crate::run::diagram::diagram;
use crate::run::drive::by_turns::{self, Watch};
use crate::run::drive::disks::Disks;
use crate::run::drive::{Nodes, processes};
use crate::run::plan::Plan;
use crate::run::progress::Progress;
use crate::run::schedule::Schedule;
use crate::run::{Run, Timing, difference};
use crate::shrink::{self, Shrunk};
use crate::store::RunDir;
use crate::workload::Workloads;

/// What all runs of a command have in common.
pub(super) struct Job<'a> {
    /// What the user asked for.
    pub(super) options: &'a Options,
    /// What there is to choose from.
    pub(super) workloads: &'a Workloads,
    /// Which nodes.
    pub(super) nodes: Nodes<'a>,
    /// What is asked and broken, if it is not drawn.
    pub(super) schedule: Option<&'a Arc<Schedule>>,
    /// Whether the user has had enough.
    pub(super) interrupt: &'a Arc<AtomicBool>,
}

/// A run and its verdict.
pub(super) struct Attempt {
    /// What was planned.
    pub(super) plan: Plan,
    /// What the results depend on beside the run.
    pub(super) expected: Expectations,
    /// What happened.
    pub(super) run: Run,
    /// What is to be said of it.
    pub(super) results: Results,
    /// How it ended.
    pub(super) ending: Ending,
    /// The options that it ran with.
    pub(super) options: Options,
}

impl Job<'_> {
    /// Runs a seed. In virtual time, one that fails is run a second time to see whether it
    /// fails in the same way.
    ///
    /// # Errors
    /// If options do not fit together, or files cannot be written or read.
    pub(super) fn attempt(
        &self,
        seed: u64,
        logs: &Path,
        mut progress: Option<&mut Progress>,
    ) -> io::Result<Attempt> {
        let options = self.options.of_seed(seed).map_err(io::Error::other)?;
        let plan = options
            .plan(self.workloads, seed)
            .map_err(io::Error::other)?;
        let plan = match self.schedule {
            None => plan,
            Some(schedule) => {
                let schedule = Schedule {
                    seed,
                    ..Schedule::clone(schedule)
                };
                Arc::new(schedule).plan(&plan).map_err(io::Error::other)?
            }
        };
        let mut attempt = self.judged(options, plan, logs, progress.as_deref_mut())?;
        if attempt.ending != Ending::Valid && !self.was_cut_short(&attempt.run) {
            if let Some(progress) = &progress {
                progress.then("running it a second time");
            }
            self.repeat(&mut attempt, logs)?;
        }
        Ok(attempt)
    }

    /// Runs a plan, and checks what came of it.
    fn judged(
        &self,
        options: Options,
        plan: Plan,
        logs: &Path,
        mut progress: Option<&mut Progress>,
    ) -> io::Result<Attempt> {
        let expected = options.expectations(&plan);
        let run = self.run(&options, plan.clone(), logs, progress.as_deref_mut())?;
        if let Some(progress) = &progress {
            progress.then("checking the history");
        }
        let results = results::results(&run, &expected);
        let ending = Ending::of(run.problem.as_ref(), results.validity);
        Disks::new(logs, &plan.setting.nodes)?.remove(ending == Ending::Valid)?;
        Ok(Attempt {
            plan,
            expected,
            run,
            results,
            ending,
            options,
        })
    }

    /// Searches for the smallest run that fails as this one did, if it is one of virtual time.
    /// Its logs are then in `logs`.
    ///
    /// # Errors
    /// If files cannot be written or read.
    pub(super) fn shrink(
        &self,
        attempt: &Attempt,
        logs: &Path,
        progress: &Progress,
    ) -> io::Result<Option<Shrunk<Attempt>>> {
        let wanted = !attempt.options.no_shrink
            && attempt.options.turn_latency().is_some()
            && attempt.run.timing.unrepeatable().is_none()
            && matches!(attempt.ending, Ending::Invalid | Ending::Broken)
            && !self.was_cut_short(&attempt.run);
        let kind = attempt.kinds().into_iter().next();
        let Some(kind) = kind.filter(|_| wanted) else {
            return Ok(None);
        };
        let plan = Plan {
            log_net_send: false,
            log_net_recv: false,
            schedule: None,
            ..attempt.plan.clone()
        };
        let one = |schedule: &Schedule| -> io::Result<Option<Attempt>> {
            if logs.exists() {
                fs::remove_dir_all(logs)?;
            }
            // A schedule with fewer nodes or clients may be none of this workload.
            let Ok(plan) = Arc::new(schedule.clone()).plan(&plan) else {
                return Ok(None);
            };
            self.judged(attempt.options.clone(), plan, logs, None)
                .map(Some)
        };
        let mut failed = None;
        let began = Instant::now();
        let limit = shrink::LIMIT;
        progress.then(format!(
            "leaving out what it fails without, for {limit:?} at most"
        ));
        let is_over = || began.elapsed() >= limit || self.interrupt.load(Ordering::Relaxed);
        let telling = attempt.results.telling(&attempt.run);
        let workload = &attempt.plan.workload;
        let found = shrink::shrink(
            &attempt.run.schedule,
            &telling,
            workload,
            is_over,
            |schedule| {
                if failed.is_some() {
                    return None;
                }
                match one(schedule) {
                    Ok(attempt) => attempt.filter(|attempt| attempt.kinds().contains(&kind)),
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                }
            },
        );
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(found) = found else {
            return Ok(None);
        };
        // Once more for its logs.
        one(&found.schedule)?;
        Ok(Some(found))
    }

    /// Keeps the smallest run, if one was [found](Job::shrink), within the directory of the run
    /// that it was made of, and says in words what it is. Its logs are then there alone.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn keep_smallest(
        &self,
        found: Option<Shrunk<Attempt>>,
        logs: &Path,
        dir: &Path,
    ) -> io::Result<Option<String>> {
        let text = found
            .map(|found| self.keep_found(found, logs, dir))
            .transpose()?;
        if logs.exists() {
            fs::remove_dir_all(logs)?;
        }
        Ok(text)
    }

    fn keep_found(
        &self,
        mut found: Shrunk<Attempt>,
        logs: &Path,
        dir: &Path,
    ) -> io::Result<String> {
        let size = found.to_string();
        let attempt = &mut found.outcome;
        let small = RunDir::within(dir.join("smallest"))?;
        attempt.keep_logs(logs, &small.logs())?;
        let file = small.path().join("schedule.json");
        let replay = attempt.command(Some(&file));
        attempt.keep(&small, &replay)?;
        report::link_smallest(dir, &size)?;
        let mut text = format!("{size}\n");
        let why = &attempt.results.why;
        let explained = match &attempt.run.problem {
            Some(problem) => problem.to_string(),
            None => why.brief(),
        };
        text += &explained;
        if let Some(diagram) = diagram(&attempt.run, &why.messages()) {
            text += &format!("\n\n{diagram}");
        }
        let page = small.path().join("index.html");
        text += &format!(
            "\n\n{} shows it; this runs it again:\n  {replay}",
            page.display()
        );
        Ok(text)
    }

    fn run(
        &self,
        options: &Options,
        plan: Plan,
        logs: &Path,
        progress: Option<&mut Progress>,
    ) -> io::Result<Run> {
        let mut unseen = Progress::new(true);
        let launch = match self.nodes {
            Nodes::Processes(launch) => launch,
            Nodes::Elsewhere(nodes) => {
                return nodes.run(plan, self.interrupt, progress.unwrap_or(&mut unseen));
            }
        };
        match options.turn_latency() {
            Some(turn_latency) => {
                let watch = Watch {
                    interrupt: self.interrupt,
                    progress,
                    log_stderr: options.log_stderr,
                };
                by_turns::run(plan, turn_latency, launch, logs, watch)
            }
            None => {
                let progress = progress.unwrap_or(&mut unseen);
                let interrupt = self.interrupt;
                processes::run(plan, launch, logs, options.log_stderr, interrupt, progress)
            }
        }
    }

    fn was_cut_short(&self, run: &Run) -> bool {
        let problem = run.problem.as_ref();
        problem.is_some_and(|problem| !problem.depends_on_the_seed())
    }

    /// Runs a seed again that failed, and notes where it differs.
    fn repeat(&self, attempt: &mut Attempt, logs: &Path) -> io::Result<()> {
        let Timing::Virtual { unrepeatable, .. } = &attempt.run.timing else {
            return Ok(());
        };
        if unrepeatable.is_some() {
            return Ok(());
        }
        let again = logs.with_extension("again");
        let plan = Plan {
            log_net_send: false,
            log_net_recv: false,
            ..attempt.plan.clone()
        };
        let second = self.run(&attempt.options, plan, &again, None)?;
        if self.was_cut_short(&second) {
            return fs::remove_dir_all(again);
        }
        let found = difference::between(&attempt.run, &second)
            .or_else(|| difference::between_logs(&attempt.plan.setting.nodes, logs, &again));
        fs::remove_dir_all(again)?;
        if let Some(difference) = found
            && let Timing::Virtual { unrepeatable, .. } = &mut attempt.run.timing
        {
            *unrepeatable = Some(format!(
                "run a second time, the seed gave another run, so the nodes are not \
                 deterministic; look for iteration over a HashMap or HashSet, threads, and the \
                 clock of the machine. {difference}"
            ));
            attempt.results = results::results(&attempt.run, &attempt.expected);
        }
        Ok(())
    }
}

impl Attempt {
    /// What is wrong with it, the most telling first, each in a few words that are the same for
    /// other runs that fail in the same way.
    pub(super) fn kinds(&self) -> Vec<String> {
        match &self.run.problem {
            Some(problem) => vec![problem.name().to_owned()],
            None => kinds(self.results.checked.most_telling(), self.results.validity),
        }
    }

    /// The most telling of [`kinds`](Attempt::kinds).
    pub(super) fn kind(&self) -> String {
        let mut kinds = self.kinds().into_iter();
        kinds.next().unwrap_or_else(|| "valid".to_owned())
    }

    /// Copies the logs of the nodes, and what is on their disks, to where they are kept.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub(super) fn keep_logs(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        let nodes = &self.plan.setting.nodes;
        Disks::new(from, nodes)?.copy(&Disks::new(to, nodes)?)?;
        for node in nodes {
            let name = format!("{node}.log");
            if from.join(&name).exists() {
                fs::copy(from.join(&name), to.join(&name))?;
            }
            if let Some(problem) = &mut self.run.problem
                && problem.node.as_ref() == Some(node)
            {
                problem.log = Some(to.join(&name).display().to_string());
            }
        }
        Ok(())
    }

    /// The arguments of the command that made it, for one run whose options are not drawn.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = self.options.words.clone();
        let end = words.iter().position(|word| word == "--");
        let node = words.split_off(end.unwrap_or(words.len()));
        // Files of seeds and of a schedule say what else to run.
        for file in ["--seeds", "--schedule"] {
            while let Some(place) = words.iter().position(|word| word == file) {
                words.drain(place..(place + 2).min(words.len()));
            }
            words.retain(|word| !word.starts_with(&format!("{file}=")));
        }
        words.retain(|word| word != "--until-failure");
        let mut more: Vec<(&str, String)> = Vec::new();
        if self.options.swarm {
            words.retain(|word| word != "--swarm");
            let dist = format!("{:?}", self.options.latency_dist).to_lowercase();
            more.push(("--latency", self.options.latency.to_string()));
            more.push(("--latency-dist", dist));
        }
        // An option that is given again replaces itself.
        more.push(("--seed", self.plan.seed.to_string()));
        more.push(("--runs", "1".to_owned()));
        words.extend(
            more.into_iter()
                .flat_map(|(name, value)| [name.to_owned(), value]),
        );
        words.extend(node);
        words
    }

    /// The command that repeats it; by its schedule, if that is in a file.
    pub(super) fn command(&self, schedule: Option<&Path>) -> String {
        let mut words = self.arguments();
        let end = words.iter().position(|word| word == "--");
        let mut more = Vec::new();
        if let Some(file) = schedule {
            more.extend(["--schedule".to_owned(), file.display().to_string()]);
            if self.options.clock == Clock::Virtual {
                more.extend(["--clock", "virtual"].map(str::to_owned));
            }
        }
        let end = end.unwrap_or(words.len());
        words.splice(end..end, more);
        words.insert(0, self.options.command.to_owned());
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
    }

    /// Writes everything that is kept of a run.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn keep(&self, dir: &RunDir, replay: &str) -> io::Result<()> {
        let Attempt {
            plan,
            expected,
            run,
            results,
            ..
        } = self;
        let json = serde_json::to_string_pretty(&results.map).map_err(io::Error::other)?;
        let jsonl = run.history.to_jsonl().map_err(io::Error::other)?;
        let schedule = Schedule {
            arguments: self.arguments(),
            ..run.schedule.clone()
        };
        let schedule = schedule.to_json().map_err(io::Error::other)?;
        let files = [
            ("results.edn", results.map.pretty(Edn::RESULTS_WIDTH)),
            ("results.json", json),
            ("history.edn", run.history.to_edn()),
            ("history.jsonl", jsonl),
            ("schedule.json", schedule),
        ];
        for (name, contents) in &files {
            dir.write(name, contents)?;
        }
        Listed::of(self).keep(dir)?;
        let log = |node: &String| (node.clone(), format!("node-logs/{node}.log"));
        let problem = run.problem.as_ref().map(ToString::to_string);
        report::write(
            dir.path(),
            &report::Input {
                workload: &expected.workload,
                options: &self.options.described(expected),
                seed: expected.seed,
                replay,
                problem: problem.as_deref(),
                history: &run.history,
                nemesis: &plan.faults,
                journal: &run.journal,
                results: &results.map,
                why: &results.why,
                ending: self.ending,
                logs: &expected.setting.nodes.iter().map(log).collect::<Vec<_>>(),
                files: &files.map(|(name, _)| name.to_owned()),
            },
        )
    }
}
