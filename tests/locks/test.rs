//! A workload of one's own: in this process, and as a command against nodes in Rust and in
//! Python.

mod handlers;
mod workload;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;

use glomer_runtime::sim::{Latency, Program, ms, secs};
use glomer_workbench::Test;
use glomer_workbench::run::drive::by_turns::{self, Watch};
use glomer_workbench::run::drive::in_process;
use glomer_workbench::run::nemesis::{Kill, Partition, Pause, Skew, Slow};
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::process::Launch;
use glomer_workbench::verdict::Validity;
use handlers::Server;
use workload::Locks;

const COMMAND: &str = env!("CARGO_BIN_EXE_locks");
const IN_RUST: &str = env!("CARGO_BIN_EXE_lockd");
const IN_PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/locks/server.py");

fn locks(args: &[&str]) -> Output {
    Command::new(COMMAND).args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

/// Runs nodes with this command line, and then checks the history that was kept. The exit
/// codes of both, and the results as JSON.
fn run(store: &Path, node: &[&str]) -> (Option<i32>, Option<i32>, serde_json::Value) {
    let place = store.to_str().unwrap();
    let options = "--node-count 3 --concurrency 2n --time-limit 2 --rate 200 --seed 1 --json -q";
    let mut args = vec!["test", "-w", "locks", "--store", place, "--bin", node[0]];
    args.extend(options.split(' '));
    args.push("--");
    args.extend(&node[1..]);
    let ran = locks(&args);
    let history = store.join("latest/history.edn");
    let checked = locks(&["check", "-w", "locks", history.to_str().unwrap()]);
    let results = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    (ran.status.code(), checked.status.code(), results)
}

#[test]
fn nodes_in_any_language_get_the_same_verdicts() {
    let store = tempfile::tempdir().unwrap();
    for node in [[IN_RUST], [IN_PYTHON]] {
        let (ran, checked, results) = run(store.path(), &node);
        assert_eq!((ran, checked), (Some(0), Some(0)), "{node:?}: {results}");
        assert_eq!(results["workload"]["twice-count"], 0);
        assert!(
            results["workload"]["granted-count"].as_u64() > Some(20),
            "{results}"
        );

        let (ran, checked, results) = run(store.path(), &[node[0], "each"]);
        assert_eq!((ran, checked), (Some(1), Some(1)), "{node:?}: {results}");
        assert!(results["workload"]["twice-count"].as_u64() > Some(0));
    }
}

#[test]
fn the_command_lists_its_workloads() {
    let help = locks(&["test", "--help"]);
    let help = stdout(&help);
    for line in [
        "locks:",
        "Clients take and give back locks; none is held twice",
        "broadcast:",
        "Values spread to every node; none is lost",
    ] {
        assert!(help.contains(line), "{line} in {help}");
    }
}

fn in_this_process() -> Test {
    Test::new(Locks)
        .nodes(3)
        .concurrency(6)
        .rate(100.0)
        .latency(Latency::exponential(ms(5)))
        .time_limit(secs(10))
        .seeds(0..20)
}

#[test]
fn no_lock_is_held_twice() {
    in_this_process()
        .nemesis((Partition, Pause, Slow))
        .nemesis_interval(secs(2))
        .run::<Server>()
        .assert_valid();
}

#[test]
fn servers_with_locks_of_their_own_are_found() {
    let tests = in_this_process().run_with(|_| Server {
        each: true,
        ..Server::default()
    });
    let tested = tests.refused().unwrap();
    assert_eq!(tested.validity(), Validity::False);
    let reason = tested.reasons().next().unwrap();
    let headline = reason.headline();
    assert!(headline.ends_with(" was held twice"), "{headline}");
}

#[test]
fn nodes_in_this_process_and_in_processes_of_their_own_do_the_same() {
    let plan = Plan {
        seed: 3,
        interval: Some(ms(20)),
        time_limit: secs(20),
        latency: Latency::exponential(ms(10)),
        faults: (Partition, Pause, Kill, Skew).into(),
        nemesis_interval: secs(2),
        ..Plan::new(Locks, 3)
    };
    let here = in_process::run(plan.clone(), ms(2), |_| Program::of::<Server>());
    let logs = tempfile::tempdir().unwrap();
    let launch = Launch {
        program: IN_RUST.into(),
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
