//! The workload as a command, against nodes in Rust and in Python.

use std::path::Path;
use std::process::{Command, Output};

const COMMAND: &str = env!("CARGO_BIN_EXE_locks");
const IN_RUST: &str = env!("CARGO_BIN_EXE_lockd");
const IN_PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.py");

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
    for node in [IN_RUST, IN_PYTHON] {
        let (ran, checked, results) = run(store.path(), &[node]);
        assert_eq!((ran, checked), (Some(0), Some(0)), "{node:?}: {results}");
        assert_eq!(results["workload"]["late-count"], 0);
        assert!(
            results["workload"]["accepted-count"].as_u64() > Some(20),
            "{results}"
        );
    }
    let (ran, checked, results) = run(store.path(), &[IN_PYTHON, "each"]);
    assert_eq!((ran, checked), (Some(1), Some(1)), "{results}");
    let why = results["why"][0]["what"].as_str().unwrap();
    assert!(why.contains("lock "), "{why}");
}

#[test]
fn the_command_lists_its_workloads() {
    let help = locks(&["test", "--help"]);
    let help = stdout(&help);
    for line in [
        "locks:",
        "Clients take locks; no write comes after one of a later holder",
        "broadcast:",
        "Values spread to every node; none is lost",
    ] {
        assert!(help.contains(line), "{line} in {help}");
    }
}
