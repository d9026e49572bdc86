//! One run of a seed, from its plan to its verdict.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::options::Options;
use crate::edn::Edn;
use crate::report;
use crate::results::{self, Ending, Expectations, Results};
use crate::run::drive::by_turns::{self, Watch};
use crate::run::drive::disks::Disks;
use crate::run::drive::processes;
use crate::run::plan::Plan;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::run::{Run, Timing, difference};
use crate::store::RunDir;
use crate::verdict::Validity;
use crate::workload::Workloads;

/// What all runs of a command have in common.
pub(super) struct Job<'a> {
    /// What the user asked for.
    pub(super) options: &'a Options,
    /// What there is to choose from.
    pub(super) workloads: &'a Workloads,
    /// How to start a node.
    pub(super) launch: &'a Launch,
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
        let expected = options.expectations(&plan);
        let run = self.run(&options, plan.clone(), logs, progress.as_deref_mut())?;
        if let Some(progress) = &progress {
            progress.then("checking the history");
        }
        let results = results::results(&run, &expected);
        let ending = Ending::of(run.problem.as_ref(), results.validity);
        Disks::new(logs, &plan.setting.nodes)?.remove(ending == Ending::Valid)?;
        let mut attempt = Attempt {
            plan,
            expected,
            run,
            results,
            ending,
            options,
        };
        if ending != Ending::Valid && !self.was_cut_short(&attempt.run) {
            if let Some(progress) = &progress {
                progress.then("running it a second time");
            }
            self.repeat(&mut attempt, logs)?;
        }
        Ok(attempt)
    }

    fn run(
        &self,
        options: &Options,
        plan: Plan,
        logs: &Path,
        progress: Option<&mut Progress>,
    ) -> io::Result<Run> {
        match options.turn_latency() {
            Some(turn_latency) => {
                let watch = Watch {
                    interrupt: self.interrupt,
                    progress,
                    log_stderr: options.log_stderr,
                };
                by_turns::run(plan, turn_latency, self.launch, logs, watch)
            }
            None => {
                let mut unseen = Progress::new(true);
                let progress = progress.unwrap_or(&mut unseen);
                let interrupt = self.interrupt;
                processes::run(
                    plan,
                    self.launch,
                    logs,
                    options.log_stderr,
                    interrupt,
                    progress,
                )
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
    /// What is wrong with it, in a few words that are the same for other seeds that fail in the
    /// same way.
    pub(super) fn kind(&self) -> String {
        if let Some(problem) = &self.run.problem {
            return problem.name().to_owned();
        }
        let parts = self.results.checked.parts().into_iter();
        let mut wrong = parts.filter(|(_, verdict)| verdict.validity() == self.results.validity);
        let Some((part, verdict)) = wrong.next() else {
            return "valid".to_owned();
        };
        let mut said: Vec<String> = Vec::new();
        if let Some(reason) = verdict.reasons().first() {
            said.push(without_numbers(reason.headline()));
        } else {
            for (name, value) in verdict.figures() {
                match value {
                    Edn::Int(count)
                        if name.ends_with("-count") && *count > 0 && TELLING.contains(&&**name) =>
                    {
                        said.push(name.trim_end_matches("-count").to_owned());
                    }
                    Edn::Vector(items) | Edn::List(items) | Edn::Set(items)
                        if TELLING.contains(&&**name) =>
                    {
                        said.extend(items.iter().map(|item| without_numbers(&item.to_string())));
                    }
                    _ => {}
                }
            }
        }
        let verdict = match self.results.validity {
            Validity::Unknown => "unknown: ",
            _ => "",
        };
        if said.is_empty() {
            format!("{verdict}{part}")
        } else {
            format!("{verdict}{part}: {}", said.join(", "))
        }
    }

    /// Copies the logs of the nodes to where they are kept.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub(super) fn keep_logs(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for node in &self.plan.setting.nodes {
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
        let files = [
            ("results.edn", results.map.pretty(Edn::RESULTS_WIDTH)),
            ("results.json", json),
            ("history.edn", run.history.to_edn()),
            ("history.jsonl", jsonl),
        ];
        for (name, contents) in &files {
            dir.write(name, contents)?;
        }
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

/// The figures of checkers that say what is wrong, if they are not nothing.
const TELLING: [&str; 5] = [
    "anomaly-types",
    "bad-error-types",
    "lost-count",
    "duplicated-count",
    "stale-count",
];

/// A text with all its numbers alike.
pub(super) fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}
