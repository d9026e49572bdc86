//! `glomer test`: runs nodes, checks what they did, and keeps all of it.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Zoned;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::attempt::{Attempt, Job};
use super::options::{Ignored, Options};
use super::search;
use super::seeds::Seeds;
use super::shrink::read;
use super::tally::Tally;
use crate::edn::Edn;
use crate::failures::Failures;
use crate::results::{Ending, FAILURE};
use crate::run::drive::{Elsewhere, Nodes};
use crate::run::process::{Launch, stay_on_one_core};
use crate::run::progress::Progress;
use crate::run::schedule::Schedule;
use crate::say::{print, tell};
use crate::store::RunDir;
use crate::workload::Workloads;

/// What the command is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What counts.
    #[command(flatten)]
    pub options: Options,

    /// Options of `maelstrom test` that have no effect here.
    #[command(flatten)]
    ignored: Ignored,
}

/// Runs the command.
///
/// # Errors
/// If options do not fit together, the program is not there, or results cannot be kept.
pub fn run(args: &Args, workloads: &Workloads) -> io::Result<ExitCode> {
    let Args { options, ignored } = args;
    let schedule = schedule(options, workloads)?;
    let launch = Launch {
        program: options.program.find()?,
        args: options.args.clone(),
    };
    let ignored = ignored.given();
    if !ignored.is_empty() {
        let verb = if ignored.len() == 1 { "has" } else { "have" };
        tell(&format!("{} {verb} no effect here", ignored.join(", ")));
    }
    runs(options, workloads, Nodes::Processes(&launch), schedule)
}

/// Runs the command with nodes that another crate drives.
///
/// # Errors
/// If options do not fit together, or results cannot be kept.
pub fn run_elsewhere(
    options: &Options,
    workloads: &Workloads,
    nodes: &dyn Elsewhere,
) -> io::Result<ExitCode> {
    let schedule = schedule(options, workloads)?;
    runs(options, workloads, Nodes::Elsewhere(nodes), schedule)
}

/// The schedule that is asked for; and whether all that is asked for fits together.
fn schedule(options: &Options, workloads: &Workloads) -> io::Result<Option<Arc<Schedule>>> {
    let schedule = options.schedule.as_deref().map(read).transpose()?;
    let schedule = schedule.map(Arc::new);
    options
        .fit(workloads, schedule.as_ref())
        .map_err(io::Error::other)?;
    Ok(schedule)
}

fn runs(
    options: &Options,
    workloads: &Workloads,
    nodes: Nodes<'_>,
    schedule: Option<Arc<Schedule>>,
) -> io::Result<ExitCode> {
    let interrupt = interrupt()?;

    let job = Job {
        options,
        workloads,
        nodes,
        schedule: schedule.as_ref(),
        interrupt: &interrupt,
    };
    let seeds = Seeds::of(options, schedule.as_ref().map(|schedule| schedule.seed))?;
    let many = seeds.total() != Some(1);
    if many && options.turn_latency().is_some() {
        return search::run(&job, seeds);
    }
    if options.turn_latency().is_some() {
        stay_on_one_core(0);
    }
    let mut worst = Ending::Valid;
    let mut tally = Tally::default();
    for (number, seed) in seeds.enumerate() {
        let ending = one_run(&job, seed, number)?;
        tally.count(ending);
        worst = worst.max(ending);
        let enough = options.until_failure && ending != Ending::Valid;
        if enough || interrupt.load(Ordering::Relaxed) {
            break;
        }
    }
    if options.runs.is_some() || options.until_failure {
        tell(&tally);
    }
    Ok(worst.exit_code())
}

/// A flag that is set by whatever asks the command to end.
pub(super) fn interrupt() -> io::Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGQUIT, SIGTERM] {
        // The first one ends the run, the second one everything.
        flag::register_conditional_shutdown(signal, FAILURE.into(), interrupt.clone())?;
        flag::register(signal, interrupt.clone())?;
    }
    // A terminal that goes sends it more than once, and `nohup` has it ignored.
    if !is_ignored(SIGHUP) {
        flag::register(SIGHUP, interrupt.clone())?;
    }
    Ok(interrupt)
}

/// Whether whoever started this process has it ignore a signal, as far as the system tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn one_run(job: &Job<'_>, seed: u64, number: usize) -> io::Result<Ending> {
    let options = job.options;
    let mut progress = Progress::new(options.quiet);
    let Kept {
        attempt,
        dir,
        smallest,
    } = kept(job, seed, &mut progress, |attempt, explain, progress| {
        show(options, number, attempt, explain, progress)
    })?;
    let (results, ending) = (&attempt.results, attempt.ending);
    if options.json {
        return Ok(ending);
    }
    if let Some(smallest) = smallest {
        print(&format!("{smallest}\n"))?;
        print(ending.closing_line())?;
    }
    let page = dir.path().join("index.html");
    progress.say(&format!(
        "{} shows all of it; --seed {seed} repeats it",
        page.display()
    ));
    if let Some(delivery) = results.map.get("delivery").and_then(Edn::name) {
        progress.insist(&format!("Delivery was {delivery}."));
    }
    Ok(ending)
}

/// A run that was kept.
pub(super) struct Kept {
    pub(super) attempt: Attempt,
    pub(super) dir: RunDir,
    /// What the smallest run is that fails in the same way, in words.
    pub(super) smallest: Option<String>,
}

/// Runs a seed, shows how it ended, and whether that is yet to be explained, and keeps what came
/// of it and of the smallest run that fails in the same way.
pub(super) fn kept(
    job: &Job<'_>,
    seed: u64,
    progress: &mut Progress,
    show: impl FnOnce(&Attempt, bool, &Progress) -> io::Result<()>,
) -> io::Result<Kept> {
    let options = job.options;
    let dir = RunDir::create(&options.store, &options.workload, &Zoned::now())?;
    progress.say(&format!(
        "{} with seed {seed}, in {}",
        options.workload,
        dir.path().display()
    ));
    let attempt = job.attempt(seed, &dir.logs(), Some(progress))?;
    let logs = dir.logs().with_extension("shrink");
    let found = job.shrink(&attempt, &logs, progress)?;
    // First of all the verdict: there may be no room to keep anything.
    progress.clear();
    show(&attempt, found.is_none(), progress)?;
    progress.then("drawing the report");
    let kept = attempt.keep(&dir, &attempt.command(None));
    progress.clear();
    kept?;
    let smallest = job.keep_smallest(found, &logs, dir.path())?;
    Ok(Kept {
        attempt,
        dir,
        smallest,
    })
}

/// Shows how a run ended.
fn show(
    options: &Options,
    number: usize,
    attempt: &Attempt,
    explain: bool,
    progress: &Progress,
) -> io::Result<()> {
    let Attempt { run, ending, .. } = attempt;
    let (ending, results) = (*ending, &attempt.results.map);
    // The first of them were told while the run went on.
    let warnings = results.get("warnings").and_then(Edn::as_seq).unwrap_or(&[]);
    for warning in warnings.iter().skip(run.warnings.len()) {
        progress.insist(warning.name().unwrap_or_default());
    }
    if let Some(problem) = &run.problem {
        progress.insist(&format!("\n{problem}"));
    }
    if options.swarm {
        progress.say(&format!("drawn for this seed: {}", attempt.options.drawn()));
    }
    if let Some(why) = run.timing.unrepeatable() {
        progress.insist(why);
    }
    if options.json {
        // One line for each run.
        return print(&serde_json::to_string(results)?);
    }
    // Of many runs, those that went well are told in one line.
    if number == 0 || ending != Ending::Valid {
        print(&format!("{}\n\n", results.shown(Edn::RESULTS_WIDTH)))?;
    }
    if ending != Ending::Valid {
        progress.mention(&Failures::of(&run.history));
    }
    progress.mention(&run.node_errors);
    if !explain {
        return Ok(());
    }
    let why = attempt.results.why.brief();
    if !why.is_empty() {
        print(&format!("{why}\n"))?;
    }
    print(ending.closing_line())
}
