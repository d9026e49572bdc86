//! One test over many seeds.

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Cluster, check};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[handler("double", reply = "twice")]
fn double(n: u64) -> u64 {
    n * 2
}

/// A test that fails for the seeds 24, 31, 38 and so on.
fn fails_now_and_then(seed: u64) {
    let mut cluster = Cluster::<()>::new(2).seed(seed).start();
    let twice = cluster.call("n1", Double { n: seed }).unwrap();
    assert!(
        seed < 20 || seed % 7 != 3,
        "twice {seed} is {twice}, which is bad"
    );
}

#[test]
fn every_seed_has_its_turn() {
    let seen = Mutex::new(BTreeSet::new());
    check(0..100, |seed| {
        let mut cluster = Cluster::<()>::new(2).seed(seed).start();
        assert_eq!(cluster.call("n0", Double { n: seed }), Ok(2 * seed));
        assert!(seen.lock().unwrap().insert(seed), "{seed} ran twice");
    });
    assert_eq!(seen.into_inner().unwrap(), (0..100).collect());
    check([], |_| panic!("there is no seed to fail for"));
}

#[test]
fn the_smallest_failing_seed_is_the_one_that_fails() {
    for _ in 0..5 {
        let payload = catch_unwind(|| check(0..200, fails_now_and_then)).unwrap_err();
        let text = payload.downcast::<String>().unwrap();
        assert_eq!(*text, "twice 24 is 48, which is bad");
    }
}

#[test]
fn a_test_that_changes_its_mind_is_told_so() {
    let failed = AtomicBool::new(false);
    let fickle = |seed| assert!(seed != 7 || failed.swap(true, Ordering::Relaxed));
    let payload = catch_unwind(AssertUnwindSafe(|| check(0..10, fickle))).unwrap_err();
    let text = payload.downcast::<String>().unwrap();
    assert!(text.starts_with("seed 7 failed the first time"), "{text}");
    assert!(text.contains("not deterministic"), "{text}");
}

#[test]
#[ignore = "fails on purpose, for the tests below to run it"]
fn fails_on_purpose() {
    check(0..200, fails_now_and_then);
}

/// Runs the test above as a person would.
fn run_failing_test(seed: Option<&str>) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "sim_check::fails_on_purpose"])
        .env_remove("GLOMER_SEED")
        .env("RUST_BACKTRACE", "0");
    if let Some(seed) = seed {
        command.env("GLOMER_SEED", seed);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn a_failure_tells_its_seed_its_trace_and_how_to_run_it_again() {
    let (output, text) = run_failing_test(None);
    assert!(!output.status.success());
    let told = "seed 24 fails, and none before it; to run it alone:\n    \
                GLOMER_SEED=24 cargo test sim_check::fails_on_purpose\n";
    assert!(text.contains(told), "{text}");
    assert!(text.contains("twice 24 is 48, which is bad"), "{text}");
    assert_eq!(text.matches("which is bad").count(), 1, "{text}");
    assert_eq!(text.matches("simulation with seed").count(), 1, "{text}");
    assert!(text.contains("simulation with seed 24 at 0ns"), "{text}");
    assert!(
        text.contains(r#"c1 → n1 #4 {"type":"double","msg_id":1,"n":24}"#),
        "{text}"
    );
}

#[test]
fn one_seed_runs_alone() {
    let (output, text) = run_failing_test(Some("23"));
    assert!(output.status.success(), "{text}");
    let (output, text) = run_failing_test(Some("31"));
    assert!(!output.status.success());
    assert!(text.contains("twice 31 is 62, which is bad"), "{text}");
    assert!(text.contains("simulation with seed 31"), "{text}");
    let (output, text) = run_failing_test(Some("the last one"));
    assert!(!output.status.success());
    let told = "GLOMER_SEED=the last one: not a seed; give a number such as 42";
    assert!(text.contains(told), "{text}");
}
