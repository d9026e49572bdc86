//! How fast workloads run against nodes in this process: `cargo bench -p glomer-tests --bench
//! in_process`. All of it, the checks included.

use std::time::{Duration, Instant};

use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::Test;
use glomer_workbench::workload::Broadcast;

// Its own tests are not run here.
#[allow(dead_code, unused_imports)]
#[path = "../broadcast/src/main.rs"]
mod broadcast;

/// What a run of broadcast lasts in its own time: 20 seconds, and 10 to recover.
const LASTS: Duration = secs(30);

fn main() {
    // Cargo passes this when it measures; otherwise it only wants to know that the program works.
    let (runs, seeds) = if std::env::args().any(|argument| argument == "--bench") {
        (10, 1_000)
    } else {
        (1, 10)
    };
    // One seed at a time takes one core.
    let start = Instant::now();
    for seed in 0..u64::from(runs) {
        Test::new(Broadcast::default())
            .nodes(25)
            .rate(100.0)
            .latency(Latency::constant(ms(100)))
            .time_limit(secs(20))
            .seeds([seed])
            .run::<broadcast::State>()
            .assert_valid();
    }
    let took = start.elapsed() / runs;
    println!(
        "broadcast, 25 nodes, rate 100, 100 ms, 20 s and recovery: {took:.2?}, {:.0} times as \
         fast as real time on one core",
        LASTS.as_secs_f64() / took.as_secs_f64()
    );

    let start = Instant::now();
    Test::new(glomer_tests::locks::Locks)
        .nodes(3)
        .rate(20.0)
        .time_limit(secs(10))
        .seeds(0..seeds)
        .run::<glomer_tests::locks::Server>()
        .assert_valid();
    let took = start.elapsed();
    println!("locks, 3 nodes, rate 20, 10 s, {seeds} seeds on all cores: {took:.2?}");
}
