//! Many seeds in virtual time, on all cores.

use std::collections::BTreeMap;
use std::fmt;
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
use super::tally::Tally;
use super::test::replay;
use crate::cli::print;
use crate::results::Ending;
use crate::run::engine::Hits;
use crate::run::problem::Problem;
use crate::run::progress::Progress;
use crate::store::RunDir;

/// How many failures of a kind are kept; the others can be had again from their seeds.
const KEPT_OF_A_KIND: u64 = 10;
/// How many seeds are told of a kind.
const SEEDS_TOLD: usize = 5;

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
    progress.insist(&summary.to_string());
    if job.interrupt.load(Ordering::Relaxed) {
        summary.worst = Ending::Broken;
    }
    if !job.options.json {
        print(summary.worst.closing_line())?;
    }
    Ok(summary.worst.exit_code())
}

/// Shows a run that failed, and with `--json` every run.
fn told(job: &Job<'_>, progress: &Progress, outcome: &Outcome) -> io::Result<()> {
    if let Some(json) = &outcome.json {
        print(json)?;
    }
    let Some(Failure {
        kind, dir, problem, ..
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
    if let Some(why) = &outcome.unrepeatable {
        progress.insist(&format!("seed {seed}: {why}"));
    }
    Ok(())
}

/// Keeps this thread, and the nodes that it starts, on one core: they take turns, and waking
/// each other up on another core takes longer than most turns.
#[cfg(target_os = "linux")]
fn stay_on_one_core(number: usize) {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else {
        return;
    };
    let cores = 0..CpuSet::count();
    let cores: Vec<usize> = cores
        .filter(|core| allowed.is_set(*core).unwrap_or(false))
        .collect();
    // Another search may go on beside this one.
    let place = number.wrapping_add(std::process::id() as usize) % cores.len().max(1);
    let mut one = CpuSet::new();
    if cores.get(place).is_some_and(|core| one.set(*core).is_ok()) {
        // It is faster if this succeeds, and works if it does not.
        let _ = sched_setaffinity(this, &one);
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn stay_on_one_core(_: usize) {}

/// What those who search share.
struct Search<'a> {
    job: &'a Job<'a>,
    seeds: Mutex<Seeds>,
    /// How many failures of each kind are kept.
    kept: Mutex<BTreeMap<String, u64>>,
    stop: AtomicBool,
}

/// What came of a seed.
struct Outcome {
    seed: u64,
    ending: Ending,
    hits: Hits,
    failure: Option<Failure>,
    unrepeatable: Option<String>,
    swarm: Option<String>,
    json: Option<String>,
}

/// A run that was not valid.
struct Failure {
    kind: String,
    /// Where it is kept, if it is.
    dir: Option<PathBuf>,
    /// What would keep every other seed from being run, too.
    problem: Option<Problem>,
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
        let mut attempt = self.job.attempt(seed, logs, None)?;
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
            failure,
            unrepeatable: attempt.run.timing.unrepeatable().map(str::to_owned),
            swarm: self.job.options.swarm.then(|| attempt.options.drawn()),
            json,
        }))
    }

    fn failed(&self, attempt: &mut Attempt, logs: &Path) -> io::Result<Failure> {
        let kind = attempt.kind();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.entry(kind.clone()).or_insert(0);
        let dir = if *count < KEPT_OF_A_KIND {
            *count += 1;
            // One at a time: directories are named after the time.
            let options = self.job.options;
            let dir = RunDir::create(&options.store, &options.workload, &Zoned::now())?;
            attempt.keep_logs(logs, &dir.logs())?;
            attempt.keep(&dir, &replay(attempt.plan.seed))?;
            Some(dir.path().to_owned())
        } else {
            None
        };
        let problem = attempt.run.problem.clone();
        Ok(Failure {
            kind,
            dir,
            problem: problem.filter(|problem| !problem.depends_on_the_seed()),
        })
    }
}

/// What came of all seeds.
struct Summary {
    total: Option<u64>,
    began: Instant,
    tally: Tally,
    worst: Ending,
    hits: Hits,
    kinds: BTreeMap<String, Vec<u64>>,
    unrepeatable: Vec<u64>,
}

impl Summary {
    fn new(total: Option<u64>) -> Summary {
        Summary {
            total,
            began: Instant::now(),
            tally: Tally::default(),
            worst: Ending::Valid,
            hits: Hits::default(),
            kinds: BTreeMap::new(),
            unrepeatable: Vec::new(),
        }
    }

    fn count(&mut self, outcome: Outcome) {
        self.tally.count(outcome.ending);
        self.worst = self.worst.max(outcome.ending);
        self.hits += outcome.hits;
        if let Some(failure) = outcome.failure {
            let seeds = self.kinds.entry(failure.kind).or_default();
            let place = seeds.partition_point(|seed| *seed < outcome.seed);
            seeds.insert(place, outcome.seed);
        }
        if outcome.unrepeatable.is_some() {
            self.unrepeatable.push(outcome.seed);
        }
    }

    fn per_second(&self) -> f64 {
        self.tally.total() as f64 / self.began.elapsed().as_secs_f64()
    }

    /// How far it is.
    fn line(&self) -> String {
        let (tally, rate) = (&self.tally, self.per_second());
        let done = tally.total();
        let of = self.total.map(|total| format!(" of {total}"));
        let left = self.total.filter(|_| rate > 0.0).map(|total| {
            let left = total.saturating_sub(done) as f64 / rate;
            format!(" | {left:.0} s left")
        });
        let (of, left) = (of.unwrap_or_default(), left.unwrap_or_default());
        format!(
            "{done}{of} runs | {} | {rate:.1} per s{left}",
            tally.endings()
        )
    }
}

/// How many runs ended how, what the faults hit, and the kinds of failures.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.began.elapsed().as_secs_f64();
        writeln!(
            f,
            "{} ({seconds:.1} s, {:.1} per s)",
            self.tally,
            self.per_second()
        )?;
        write!(f, "What the faults hit: {}", self.hits)?;
        if self.kinds.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n\n{:>6}  {:<14} kind of failure",
            "runs", "smallest seed"
        )?;
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, seeds)| std::cmp::Reverse(seeds.len()));
        for (kind, seeds) in kinds {
            let others = seeds.iter().skip(1).take(SEEDS_TOLD);
            let others: Vec<String> = others.map(u64::to_string).collect();
            let also = if others.is_empty() {
                String::new()
            } else {
                format!(" (also {})", others.join(", "))
            };
            write!(f, "\n{:>6}  {:<14} {kind}{also}", seeds.len(), seeds[0])?;
        }
        if !self.unrepeatable.is_empty() {
            let seeds: Vec<String> = self.unrepeatable.iter().map(u64::to_string).collect();
            write!(f, "\nNot repeatable: {}", seeds.join(", "))?;
        }
        Ok(())
    }
}
