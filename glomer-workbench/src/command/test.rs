//! `glomer test`: runs nodes, checks what they did, and keeps all of it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Zoned;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::options::Options;
use crate::cli::{print, tell};
use crate::edn::Edn;
use crate::failures::Failures;
use crate::report;
use crate::results::{self, Ending, Expectations, FAILURE, Results};
use crate::run::Run;
use crate::run::drive::processes;
use crate::run::plan::Plan;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::store::RunDir;
use crate::workload::Workloads;

/// Runs the command.
///
/// # Errors
/// If options do not fit together, the program is not there, or results cannot be kept.
pub fn run(options: &Options, workloads: &Workloads) -> io::Result<ExitCode> {
    let plan = |seed| options.plan(workloads, seed).map_err(io::Error::other);
    processes::fits(&plan(0)?)?;
    let launch = Launch {
        program: options.program.find()?,
        args: options.args.clone(),
    };
    let ignored = options.ignored.given();
    if !ignored.is_empty() {
        let verb = if ignored.len() == 1 { "has" } else { "have" };
        tell(&format!("{} {verb} no effect here", ignored.join(", ")));
    }
    let interrupt = interrupt()?;

    let first = options.seed.unwrap_or_else(any_seed);
    let most = options
        .runs
        .unwrap_or(if options.until_failure { u64::MAX } else { 1 });
    let mut worst = Ending::Valid;
    let mut tally = Tally::default();
    for number in 0..most {
        let seed = first.wrapping_add(number);
        let ending = one_run(options, plan(seed)?, &launch, &interrupt, number)?;
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
fn interrupt() -> io::Result<Arc<AtomicBool>> {
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

/// How many runs ended how.
#[derive(Default)]
struct Tally {
    endings: [u64; 4],
}

impl Tally {
    fn count(&mut self, ending: Ending) {
        self.endings[ending as usize] += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [valid, unknown, invalid, broken] = self.endings;
        let total = valid + unknown + invalid + broken;
        write!(
            f,
            "{total} runs: {valid} valid, {invalid} invalid, {unknown} unknown, {broken} not completed"
        )
    }
}

fn one_run(
    options: &Options,
    plan: Plan,
    launch: &Launch,
    interrupt: &Arc<AtomicBool>,
    number: u64,
) -> io::Result<Ending> {
    let seed = plan.seed;
    let mut progress = Progress::new(options.quiet);
    let dir = RunDir::create(&options.store, &options.workload, &Zoned::now())?;
    progress.say(&format!(
        "{} with seed {seed}, in {}",
        options.workload,
        dir.path().display()
    ));
    let planned = plan.clone();
    let expected = options.expectations(&plan);
    let run = processes::run(
        plan,
        launch,
        &dir.logs(),
        options.log_stderr,
        interrupt,
        &mut progress,
    )?;
    progress.then("checking the history");
    let results = results::results(&run, &expected);
    let ending = Ending::of(run.problem.as_ref(), results.validity);
    // First of all the verdict: there may be no room to keep anything.
    progress.clear();
    show(options, number, &run, &results.map, ending, &progress)?;
    progress.then("drawing the report");
    let kept = keep(options, &dir, &planned, &expected, &run, &results, ending);
    progress.clear();
    kept?;
    if options.json {
        return Ok(ending);
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

/// Shows how a run ended.
fn show(
    options: &Options,
    number: u64,
    run: &Run,
    results: &Edn,
    ending: Ending,
    progress: &Progress,
) -> io::Result<()> {
    // The first of them were told while the run went on.
    let warnings = results.get("warnings").and_then(Edn::as_seq).unwrap_or(&[]);
    for warning in warnings.iter().skip(run.warnings.len()) {
        progress.insist(warning.name().unwrap_or_default());
    }
    if let Some(problem) = &run.problem {
        progress.insist(&format!("\n{problem}"));
    }
    if options.json {
        // One line for each run.
        return print(&serde_json::to_string(results)?);
    }
    // Of many runs, those that went well are told in one line.
    if number == 0 || ending != Ending::Valid {
        print(&format!("{}\n\n", results.pretty(Edn::RESULTS_WIDTH)))?;
    }
    if ending != Ending::Valid {
        progress.mention(&Failures::of(&run.history));
    }
    progress.mention(&run.node_errors);
    print(ending.closing_line())
}

/// Writes everything that is kept of a run.
fn keep(
    options: &Options,
    dir: &RunDir,
    plan: &Plan,
    expected: &Expectations,
    run: &Run,
    results: &Results,
    ending: Ending,
) -> io::Result<()> {
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
            options: &options.described(expected),
            seed: expected.seed,
            replay: &replay(expected.seed),
            problem: problem.as_deref(),
            history: &run.history,
            nemesis: &plan.faults,
            journal: &run.journal,
            results: &results.map,
            ending,
            logs: &expected.setting.nodes.iter().map(log).collect::<Vec<_>>(),
            files: &files.map(|(name, _)| name.to_owned()),
        },
    )
}

/// This command line with that seed, and for one run.
fn replay(seed: u64) -> String {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    words.insert(0, "glomer".to_owned());
    // An option that is given again replaces itself; what follows `--` is the node's.
    let end = words.iter().position(|word| word == "--");
    let once = ["--seed", &seed.to_string(), "--runs", "1"].map(str::to_owned);
    let end = end.unwrap_or(words.len());
    words.splice(end..end, once);
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// A seed that is new each time, and short enough to be copied by hand.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000_000
}
