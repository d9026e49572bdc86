//! Nodes in this process and in processes of their own, in virtual time, do the same.

#[allow(dead_code)]
#[path = "nodes/flood.rs"]
mod flood;

use std::sync::atomic::AtomicBool;

use flood::Flood;
use glomer_runtime::sim::{Latency, Program, ms, secs};
use glomer_workbench::run::drive::by_turns::{self, Watch};
use glomer_workbench::run::drive::in_process;
use glomer_workbench::run::nemesis::{Kill, Partition, Pause, Skew};
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::process::Launch;
use glomer_workbench::workload::Broadcast;

#[test]
fn nodes_in_this_process_and_in_processes_of_their_own_do_the_same() {
    let plan = Plan {
        seed: 3,
        interval: Some(ms(20)),
        time_limit: secs(20),
        latency: Latency::exponential(ms(10)),
        faults: (Partition, Pause, Kill, Skew).into(),
        nemesis_interval: secs(2),
        ..Plan::new(Broadcast::default(), 3)
    };
    let here = in_process::run(plan.clone(), ms(2), |_| Program::of::<Flood>());
    let logs = tempfile::tempdir().unwrap();
    let launch = Launch {
        program: env!("CARGO_BIN_EXE_flood").into(),
        args: Vec::new(),
    };
    let watch = Watch {
        interrupt: &AtomicBool::new(false),
        progress: None,
        log_stderr: false,
    };
    let there = by_turns::run(plan, ms(2), &launch, logs.path(), watch).unwrap();
    assert_eq!(there.problem, None);
    assert!(here.hits.killed > 0 && here.hits.skewed > 0 && here.hits.dropped > 0);
    assert_eq!(here.hits, there.hits);
    assert_eq!(here.journal.events(), there.journal.events());
    assert_eq!(here.history, there.history);
}
