//! What a run of real processes in virtual time costs, and where the time goes: one run after
//! the other on one thread. `glomer test --clock virtual --runs N` does so on every core.
//!
//! The goals, on two cores: 1,000 runs of 3b in a minute, 100 runs of 3d in a minute, and at
//! most 30 µs a turn. The turns of echo nodes are short and each brings one message; the first
//! row is as near to the cost of a turn alone as a run comes.
//!
//! All times but the first are processor time, of the workbench, of its nodes and of the kernel
//! for both of them, which other load on the machine hardly changes. The kernel tells the two
//! modes apart by samples, so that only long rows tell them well.
//!
//! ```sh
//! cargo bench -p glomer-workbench --bench virtual_time
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use glomer_runtime::sim::Latency;
use glomer_workbench::command::program::Program;
use glomer_workbench::results::{Expectations, results};
use glomer_workbench::run::drive::TURN_LATENCY;
use glomer_workbench::run::drive::by_turns::{self, Watch};
use glomer_workbench::run::nemesis::Partition;
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::process::{Launch, stay_on_one_core};
use glomer_workbench::run::{Run, Timing};
use glomer_workbench::verdict::Validity;
use glomer_workbench::workload::{Broadcast, Echo};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// Processor time.
#[derive(Clone, Copy, Default)]
struct Cpu {
    workbench: Duration,
    nodes: Duration,
    kernel: Duration,
}

impl Cpu {
    /// What this process and those that it waited for have had.
    fn now() -> io::Result<Cpu> {
        let (own, nodes) = (UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN);
        let (own, nodes) = (getrusage(own)?, getrusage(nodes)?);
        Ok(Cpu {
            workbench: duration(own.user_time()),
            nodes: duration(nodes.user_time()),
            kernel: duration(own.system_time()) + duration(nodes.system_time()),
        })
    }

    fn total(self) -> Duration {
        self.workbench + self.nodes + self.kernel
    }

    /// Combines the parts one by one.
    fn with(self, other: Cpu, combine: impl Fn(Duration, Duration) -> Duration) -> Cpu {
        Cpu {
            workbench: combine(self.workbench, other.workbench),
            nodes: combine(self.nodes, other.nodes),
            kernel: combine(self.kernel, other.kernel),
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_micros(time.num_microseconds().unsigned_abs())
}

/// Runs something; what it gave, and what it cost.
fn cost<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Cpu)> {
    let before = Cpu::now()?;
    let done = run()?;
    let cost = Cpu::now()?.with(before, Duration::saturating_sub);
    Ok((done, cost))
}

/// What some runs came to.
#[derive(Default)]
struct Costs {
    wall: Duration,
    /// With nothing asked: processes start, are greeted, set up and ended.
    start: Cpu,
    run: Cpu,
    check: Cpu,
    turns: u64,
    valid: u32,
}

/// The nodes, built in release where it is to be measured; otherwise those that `cargo test
/// --workspace` has built beside this, if that is what runs it.
fn nodes(is_measuring: bool) -> io::Result<Option<[PathBuf; 2]>> {
    if is_measuring {
        let echo = Program::or_example(None, "challenges", "echo").find()?;
        return Ok(Some([echo, Program::or_package(None, "broadcast").find()?]));
    }
    let me = std::env::current_exe()?;
    let built = me.ancestors().nth(2).expect("cargo's folder of a profile");
    let nodes = ["examples/echo", "broadcast-node"].map(|name| built.join(name));
    Ok(nodes.iter().all(|node| node.exists()).then_some(nodes))
}

fn main() -> io::Result<()> {
    // Cargo passes this when it measures; otherwise it only wants to know that the program works.
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let Some([echo_node, broadcast_node]) = nodes(is_measuring)? else {
        println!("skipped: the nodes are not built, which `cargo test --workspace` does");
        return Ok(());
    };
    stay_on_one_core(0);
    let echo = Plan {
        interval: Some(Duration::from_millis(1)),
        time_limit: Duration::from_secs(20),
        ..Plan::new(Echo, 1)
    };
    let small = Plan {
        interval: Some(Duration::from_millis(100)),
        time_limit: Duration::from_secs(20),
        faults: Partition.into(),
        ..Plan::new(Broadcast::default(), 5)
    };
    let hundred = Duration::from_millis(100);
    let mut large = Plan {
        interval: Some(Duration::from_millis(10)),
        time_limit: Duration::from_secs(20),
        latency: Latency::constant(hundred),
        ..Plan::new(Broadcast::default(), 25)
    };
    large.setting.latency = hundred;
    println!(
        "| runs | valid | a run | runs a second | start | turns | checking | turns a run | a turn | workbench | nodes | kernel |"
    );
    println!(
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    let rows = [
        ("echo, 1 node, 1,000 a second", &echo_node, echo, 10),
        ("3b, with partitions", &broadcast_node, small, 100),
        ("3d", &broadcast_node, large, 10),
    ];
    for (name, program, plan, runs) in rows {
        let runs = if is_measuring { runs } else { 1 };
        let launch = Launch {
            program: program.clone(),
            args: Vec::new(),
        };
        show(name, runs, &measure(&launch, &plan, runs)?);
    }
    Ok(())
}

fn show(name: &str, runs: u32, costs: &Costs) {
    let per_run = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3 / f64::from(runs));
    let turning = costs.run.with(costs.start, Duration::saturating_sub);
    let per_turn =
        |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6 / costs.turns as f64);
    let columns = [
        format!("{runs} × {name}"),
        costs.valid.to_string(),
        per_run(costs.wall),
        format!("{:.1}", f64::from(runs) / costs.wall.as_secs_f64()),
        per_run(costs.start.total()),
        per_run(turning.total()),
        per_run(costs.check.total()),
        (costs.turns / u64::from(runs)).to_string(),
        per_turn(turning.total()),
        per_turn(turning.workbench),
        per_turn(turning.nodes),
        per_turn(turning.kernel),
    ];
    println!("| {} |", columns.join(" | "));
}

fn measure(launch: &Launch, plan: &Plan, runs: u32) -> io::Result<Costs> {
    let logs = tempfile::tempdir()?;
    let interrupt = AtomicBool::new(false);
    let run = |plan: Plan| -> io::Result<Run> {
        let watch = Watch {
            interrupt: &interrupt,
            progress: None,
            log_stderr: false,
        };
        by_turns::run(plan, TURN_LATENCY, launch, logs.path(), watch)
    };
    let add = |sum: &mut Cpu, cost: Cpu| *sum = sum.with(cost, |one, other| one + other);
    let mut costs = Costs::default();
    for seed in 0..u64::from(runs) {
        let plan = Plan {
            seed,
            ..plan.clone()
        };
        let idle = Plan {
            interval: None,
            time_limit: Duration::ZERO,
            recovery_time: Duration::ZERO,
            ..plan.clone()
        };
        let (_, start) = cost(|| run(idle))?;
        add(&mut costs.start, start);

        let expected = Expectations {
            faults: plan.faults.clone(),
            workload: plan.workload.clone(),
            setting: plan.setting.clone(),
            availability: None,
            seed,
            stale_reads_may_hide: false,
        };
        let began = Instant::now();
        let (ran, turning) = cost(|| run(plan))?;
        add(&mut costs.run, turning);
        let (results, checking) = cost(|| Ok(results(&ran, &expected)))?;
        add(&mut costs.check, checking);
        costs.wall += began.elapsed();
        costs.valid += u32::from(results.validity == Validity::True);
        if let Timing::Virtual { turns, .. } = ran.timing {
            costs.turns += turns;
        }
    }
    Ok(costs)
}
