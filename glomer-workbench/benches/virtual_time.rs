//! What a run of real processes in virtual time costs, and where the time goes: one run after
//! the other on one thread. `glomer test --clock virtual --runs N` does so on every core.
//!
//! The goals, on two cores: 1,000 runs of 3b in a minute, 100 runs of 3d in a minute, and at
//! most 30 µs a turn.
//!
//! ```sh
//! cargo build --release -p broadcast
//! cargo bench -p glomer-workbench --bench virtual_time
//! ```

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use glomer_runtime::sim::Latency;
use glomer_workbench::results::{Expectations, results};
use glomer_workbench::run::Timing;
use glomer_workbench::run::drive::TURN_LATENCY;
use glomer_workbench::run::drive::by_turns::{self, Watch};
use glomer_workbench::run::nemesis::Partition;
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::process::Launch;
use glomer_workbench::verdict::Validity;
use glomer_workbench::workload::Broadcast;

/// What some runs came to.
#[derive(Default)]
struct Cost {
    /// With nothing asked: processes start, are greeted, set up and ended.
    start: Duration,
    run: Duration,
    check: Duration,
    turns: u64,
    valid: u32,
}

fn main() -> io::Result<()> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/broadcast");
    if !Path::new(program).exists() {
        eprintln!("{program} is not there; cargo build --release -p broadcast makes it");
        return Ok(());
    }
    let launch = Launch {
        program: program.into(),
        args: Vec::new(),
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
    println!("| runs | valid | a run | start | turns | checking | turns a run | a turn |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, plan, runs) in [("3b, with partitions", small, 50), ("3d", large, 10)] {
        let cost = measure(&launch, &plan, runs)?;
        let per_run =
            |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3 / f64::from(runs));
        let turning = cost.run.saturating_sub(cost.start);
        println!(
            "| {runs} × {name} | {} | {} | {} | {} | {} | {} | {:.1} µs |",
            cost.valid,
            per_run(cost.run + cost.check),
            per_run(cost.start),
            per_run(turning),
            per_run(cost.check),
            cost.turns / u64::from(runs),
            turning.as_secs_f64() * 1e6 / cost.turns as f64,
        );
    }
    Ok(())
}

fn measure(launch: &Launch, plan: &Plan, runs: u32) -> io::Result<Cost> {
    let logs = tempfile::tempdir()?;
    let interrupt = AtomicBool::new(false);
    let run = |plan: Plan| {
        let watch = Watch {
            interrupt: &interrupt,
            progress: None,
            log_stderr: false,
        };
        by_turns::run(plan, TURN_LATENCY, launch, logs.path(), watch)
    };
    let mut cost = Cost::default();
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
        let began = Instant::now();
        run(idle)?;
        cost.start += began.elapsed();

        let expected = Expectations {
            faults: plan.faults.clone(),
            workload: plan.workload.clone(),
            setting: plan.setting.clone(),
            availability: None,
            seed,
            stale_reads_may_hide: false,
        };
        let began = Instant::now();
        let ran = run(plan)?;
        cost.run += began.elapsed();
        let began = Instant::now();
        cost.valid += u32::from(results(&ran, &expected).validity == Validity::True);
        cost.check += began.elapsed();
        if let Timing::Virtual { turns, .. } = ran.timing {
            cost.turns += turns;
        }
    }
    Ok(cost)
}
