//! `glomer bench`: what the workbench itself costs, measured on this machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use glomer_runtime::sim::Latency;
use jiff::Zoned;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::program::Program;
use crate::results::{Ending, Expectations, results};
use crate::run::drive::processes;
use crate::run::nemesis::Faults;
use crate::run::plan::Plan;
use crate::run::problem::Problem;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::run::{Run, Timing};
use crate::store::RunDir;
use crate::workload::{AnyWorkload, Broadcast, Echo, Setting};

/// The options of `glomer bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A broadcast node (default: the package broadcast of this workspace)
    #[arg(long, value_name = "PATH")]
    pub broadcast: Option<PathBuf>,

    /// An echo node (default: the example echo of this workspace)
    #[arg(long, value_name = "PATH")]
    pub echo: Option<PathBuf>,

    /// How many nodes the last run has
    #[arg(long, value_name = "NUM", default_value_t = 1_000)]
    pub node_count: usize,

    /// How long each run lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub time_limit: u64,

    /// Where to keep the nodes' logs
    #[arg(long, value_name = "DIR", default_value = "store")]
    pub store: PathBuf,

    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// A run to measure.
struct Load {
    program: PathBuf,
    workload: AnyWorkload,
    nodes: usize,
    rate: f64,
    latency: Duration,
}

fn loads(broadcast: PathBuf, echo: &Path, most: usize) -> [Load; 3] {
    let echoes = |nodes| Load {
        program: echo.to_owned(),
        workload: AnyWorkload::new(Echo),
        nodes,
        rate: 1_000.0,
        latency: Duration::ZERO,
    };
    [
        Load {
            program: broadcast,
            workload: AnyWorkload::new(Broadcast::default()),
            nodes: 25,
            rate: 100.0,
            latency: Duration::from_millis(100),
        },
        echoes(25),
        echoes(most),
    ]
}

/// Runs the loads one after the other and prints a table of what they cost.
///
/// # Errors
/// If there are no nodes to run.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let broadcast = Program::or_package(args.broadcast.as_ref(), "broadcast").find()?;
    let echo = Program::or_example(args.echo.as_ref(), "challenges", "echo").find()?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| run | verdict | first operation after | messages | lateness p50 / p99 / max | CPU workbench / nodes |\n\
         | --- | --- | --- | --- | --- | --- |"
    )?;
    let mut worst = Ending::Valid;
    for load in &loads(broadcast, &echo, args.node_count) {
        let (ending, row) = measure(args, load)?;
        worst = worst.max(ending);
        writeln!(out, "{row}")?;
    }
    Ok(worst.exit_code())
}

fn measure(args: &Args, load: &Load) -> io::Result<(Ending, String)> {
    let launch = Launch {
        program: load.program.clone(),
        args: Vec::new(),
    };
    let plan = load.plan(Duration::from_secs(args.time_limit));
    let dir = RunDir::create(&args.store, "bench", &Zoned::now())?;
    let mut progress = Progress::new(args.quiet);
    let (start, own, nodes) = (
        Instant::now(),
        cpu(UsageWho::RUSAGE_SELF)?,
        cpu(UsageWho::RUSAGE_CHILDREN)?,
    );
    let interrupt = Arc::new(AtomicBool::new(false));
    let run = processes::run(plan, &launch, &dir.logs(), false, &interrupt, &mut progress)?;
    progress.clear();
    let wall = start.elapsed().as_secs_f64();
    let own = (cpu(UsageWho::RUSAGE_SELF)? - own).as_secs_f64() / wall;
    let nodes = (cpu(UsageWho::RUSAGE_CHILDREN)? - nodes).as_secs_f64() / wall;
    Ok(load.row(&run, own, nodes))
}

/// The time that processes spent on processors.
fn cpu(who: UsageWho) -> io::Result<Duration> {
    let usage = getrusage(who)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

impl Load {
    fn plan(&self, time_limit: Duration) -> Plan {
        let plan = Plan::of(self.workload.clone(), self.nodes);
        Plan {
            setting: Setting {
                latency: self.latency,
                ..plan.setting
            },
            seed: 1,
            interval: Some(Duration::from_secs_f64(1.0 / self.rate)),
            time_limit,
            latency: Latency::constant(self.latency),
            recovery_time: Duration::from_secs(2),
            ..plan
        }
    }

    fn row(&self, run: &Run, own: f64, nodes: f64) -> (Ending, String) {
        let expected = Expectations {
            workload: self.workload.clone(),
            setting: Setting::new(self.nodes),
            faults: Faults::none(),
            availability: None,
            seed: 1,
            stale_reads_may_hide: false,
        };
        let problem = run.problem.as_ref();
        let ending = Ending::of(problem, results(run, &expected).validity);
        let verdict =
            problem.map_or_else(|| format!("{ending:?}").to_lowercase(), Problem::headline);
        let late = |quantile| match &run.timing {
            Timing::Real { lateness } => lateness.value_at_quantile(quantile) as f64 / 1_000.0,
            Timing::Virtual { .. } | Timing::Elsewhere => 0.0,
        };
        let row = format!(
            "| {} × {}, rate {}, latency {} ms | {verdict} | {:.3} s | {} | {:.2} / {:.2} / {:.2} ms | {:.0} % / {:.0} % of a core |",
            self.nodes,
            self.workload,
            self.rate,
            self.latency.as_millis(),
            run.startup.as_secs_f64(),
            run.journal.clients().sent + run.journal.servers().sent,
            late(0.5),
            late(0.99),
            late(1.0),
            100.0 * own,
            100.0 * nodes,
        );
        (ending, row)
    }
}
