//! Our own nodes pass every challenge, under its official options and targets, in virtual time.

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMAND: &str = env!("CARGO_BIN_EXE_workbench");
const BROADCAST: &str = env!("CARGO_BIN_EXE_broadcast-node");

/// An example of the challenges. `cargo test --workspace` builds all of them.
fn example(name: &str) -> PathBuf {
    let program = Path::new(COMMAND).with_file_name("examples").join(name);
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "challenges", "--examples"]);
        assert!(build.status().unwrap().success());
    }
    program
}

fn is_done(challenge: &str, program: &Path) {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(COMMAND)
        .args(["challenge", challenge, "--clock", "virtual", "--seed", "1"])
        .arg("--bin")
        .arg(program)
        .current_dir(place.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let done = format!("Challenge {challenge} is done.\n");
    assert!(
        output.status.success() && told.ends_with(&done),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn echo() {
    is_done("1", &example("echo"));
}

#[test]
fn unique_ids() {
    is_done("2", &example("unique_ids"));
}

#[test]
fn broadcast_with_its_targets_for_messages_and_latency() {
    for challenge in ["3a", "3b", "3c", "3d", "3e"] {
        is_done(challenge, BROADCAST.as_ref());
    }
}

#[test]
fn counter() {
    is_done("4", &example("g_counter"));
}

#[test]
fn logs_on_one_node() {
    is_done("5a", &example("kafka_single"));
}

#[test]
fn logs_on_several_nodes() {
    is_done("5b", &example("kafka"));
}

#[test]
fn efficient_logs() {
    is_done("5c", &example("kafka_efficient"));
}

#[test]
fn transactions_on_one_node() {
    is_done("6a", &example("txn_rw_register"));
}

#[test]
fn read_uncommitted_transactions() {
    is_done("6b", &example("txn_rw_register"));
}

#[test]
fn read_committed_transactions() {
    is_done("6c", &example("txn_rw_register"));
}
