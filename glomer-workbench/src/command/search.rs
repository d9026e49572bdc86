//! Many seeds in virtual time, on all cores.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use jiff::Zoned;

use super::attempt::{Attempt, Job};
use super::seeds::Seeds;
use super::summary::{Failure, Outcome, Summary};
use crate::checked::WARNINGS;
use crate::edn::Edn;
use crate::results::Ending;
use crate::run::problem::Problem;
use crate::run::process::stay_on_one_core;
use crate::run::progress::Progress;
use crate::say::print;
use crate::store::RunDir;

/// How many failures of a kind are kept; the others can be had again from their seeds.
const KEPT_OF_A_KIND: u64 = 10;

/// Runs these seeds, keeps those that fail, and tells which kinds of failures there are.
///
/// # Errors
/// If options do not fit together, or files cannot be written or read.
pub(super) fn run(job: &Job<'_>, seeds: Seeds) -> io::Result<ExitCode> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = job.options.jobs.unwrap_or(cores);
    let progress = Progress::new(job.options.quiet);
    let mut summary = Summary::new(seeds.total());
    let search = Search {
        job,
        progress: &progress,
        seeds: Mutex::new(seeds),
        kept: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    let (sender, outcomes) = mpsc::channel();
    let failed = thread::scope(|scope| {
        for number in 0..jobs {
            let (search, sender) = (&search, sender.clone());
            scope.spawn(move || search.work(number, &sender));
        }
        drop(sender);
        let mut failed = None;
        let mut shown = Instant::now();
        loop {
            match outcomes.recv_timeout(Progress::INTERVAL) {
                Ok(Ok(outcome)) => {
                    if let Err(error) = told(job, &progress, &outcome) {
                        search.stop.store(true, Ordering::Relaxed);
                        failed.get_or_insert(error);
                    }
                    summary.count(outcome);
                }
                Ok(Err(error)) => {
                    search.stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return failed,
            }
            if shown.elapsed() >= Progress::INTERVAL {
                shown = Instant::now();
                progress.then(summary.line());
            }
        }
    });
    progress.clear();
    if let Some(error) = failed {
        return Err(error);
    }
    let mut ending = summary.worst();
    if job.interrupt.load(Ordering::Relaxed) {
        progress.insist("\nThe search was interrupted; this is what it found until then.");
        ending = Ending::Broken;
    }
    progress.insist(&summary.to_string());
    if !job.options.json {
        print(ending.closing_line())?;
    }
    Ok(ending.exit_code())
}

/// Shows a run that failed, and with `--json` every run.
fn told(job: &Job<'_>, progress: &Progress, outcome: &Outcome) -> io::Result<()> {
    if let Some(json) = &outcome.json {
        print(json)?;
    }
    let Some(Failure {
        kind,
        dir,
        smallest,
        problem,
    }) = &outcome.failure
    else {
        return Ok(());
    };
    if let Some(problem) = problem {
        progress.insist(&format!("\n{problem}"));
    }
    let swarm = outcome.swarm.as_ref();
    let swarm = swarm.map(|drawn| format!(" ({drawn})")).unwrap_or_default();
    let kept = dir.as_ref().map(|dir| format!(", in {}", dir.display()));
    let (seed, kept) = (outcome.seed, kept.unwrap_or_default());
    if !job.options.quiet {
        progress.insist(&format!("seed {seed}{swarm}: {kind}{kept}"));
    }
    if let Some(smallest) = smallest.as_ref().filter(|_| !job.options.json) {
        progress.insist(&format!("\n{smallest}\n"));
    }
    if let Some(why) = &outcome.unrepeatable {
        progress.insist(&format!("seed {seed}: {why}"));
    }
    Ok(())
}

/// What a run tells that decides nothing: its warnings, and what nodes reported as errors.
fn told_of(attempt: &Attempt) -> Vec<String> {
    let warnings = attempt.results.map.get(WARNINGS).and_then(Edn::as_seq);
    let warnings = warnings.into_iter().flatten().filter_map(Edn::name);
    let errors = attempt.run.node_errors.causes.iter();
    let errors = errors.map(|cause| format!("{} reported an error: {}", cause.node, cause.sample));
    warnings.map(str::to_owned).chain(errors).collect()
}

/// What those who search share.
struct Search<'a> {
    job: &'a Job<'a>,
    progress: &'a Progress,
    seeds: Mutex<Seeds>,
    /// How many failures of each kind are kept.
    kept: Mutex<BTreeMap<String, u64>>,
    stop: AtomicBool,
}

impl Search<'_> {
    /// Takes one seed after the other.
    fn work(&self, number: usize, outcomes: &Sender<io::Result<Outcome>>) {
        stay_on_one_core(number);
        let name = format!("glomer-{}-{number}", std::process::id());
        let logs = std::env::temp_dir().join(name);
        while !self.stop.load(Ordering::Relaxed) && !self.job.interrupt.load(Ordering::Relaxed) {
            let seed = self
                .seeds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some(seed) = seed else { break };
            match self.one(seed, &logs) {
                Ok(None) => {}
                Ok(Some(outcome)) => {
                    let hopeless = outcome
                        .failure
                        .as_ref()
                        .is_some_and(|failure| failure.problem.is_some());
                    let enough = self.job.options.until_failure && outcome.failure.is_some();
                    if hopeless || enough {
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    // Whoever listens does so until the end.
                    let _ = outcomes.send(Ok(outcome));
                }
                Err(error) => {
                    let _ = outcomes.send(Err(error));
                    break;
                }
            }
        }
        // The system looks after what is left in its temporary directory.
        let _ = fs::remove_dir_all(&logs);
    }

    /// Runs a seed; `None` if it was interrupted.
    fn one(&self, seed: u64, logs: &Path) -> io::Result<Option<Outcome>> {
        if logs.exists() {
            fs::remove_dir_all(logs)?;
        }
        let mut progress = self.progress.of_seed(seed);
        let mut attempt = self.job.attempt(seed, logs, Some(&mut progress))?;
        let problem = attempt.run.problem.as_ref();
        if problem.is_some_and(Problem::is_interruption) {
            return Ok(None);
        }
        let failure = match attempt.ending {
            Ending::Valid => None,
            _ => Some(self.failed(&mut attempt, logs)?),
        };
        let json = if self.job.options.json {
            Some(serde_json::to_string(&attempt.results.map)?)
        } else {
            None
        };
        Ok(Some(Outcome {
            seed,
            ending: attempt.ending,
            hits: attempt.run.hits,
            told: told_of(&attempt),
            failure,
            unrepeatable: attempt.run.timing.unrepeatable().map(str::to_owned),
            swarm: self.job.options.swarm.then(|| attempt.options.drawn()),
            json,
        }))
    }

    fn failed(&self, attempt: &mut Attempt, logs: &Path) -> io::Result<Failure> {
        let kind = attempt.kind();
        let (count, dir) = self.keep(attempt, &kind, logs)?;
        let smallest = match &dir {
            // One of a kind explains it.
            Some(dir) if count == 1 => self.smallest(attempt, logs, dir)?,
            _ => None,
        };
        let problem = attempt.run.problem.clone();
        Ok(Failure {
            kind,
            dir,
            smallest,
            problem: problem.filter(|problem| !problem.depends_on_the_seed()),
        })
    }

    /// Keeps a run, unless there are enough of its kind. How many there are, and where this is.
    fn keep(
        &self,
        attempt: &mut Attempt,
        kind: &str,
        logs: &Path,
    ) -> io::Result<(u64, Option<PathBuf>)> {
        // One at a time: directories are named after the time.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.entry(kind.to_owned()).or_insert(0);
        if *count >= KEPT_OF_A_KIND {
            return Ok((*count, None));
        }
        *count += 1;
        let options = self.job.options;
        let dir = RunDir::create(&options.store, &options.workload, &Zoned::now())?;
        attempt.keep_logs(logs, &dir.logs())?;
        attempt.keep(&dir, &attempt.command(None))?;
        Ok((*count, Some(dir.path().to_owned())))
    }

    /// What the smallest run is that fails in the same way, in words.
    fn smallest(&self, attempt: &Attempt, logs: &Path, dir: &Path) -> io::Result<Option<String>> {
        if self.job.options.until_failure {
            // Nobody needs another.
            self.stop.store(true, Ordering::Relaxed);
        }
        let logs = logs.with_extension("shrink");
        let progress = Progress::new(true);
        let found = self.job.shrink(attempt, &logs, &progress)?;
        self.job.keep_smallest(found, &logs, dir)
    }
}
