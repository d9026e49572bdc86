//! The lock service under every fault, and one that is wrong.

use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::Test;
use glomer_workbench::run::nemesis::{
    Duplicate, Kill, Loss, OneWayPartition, Partition, Pause, Skew, Slow,
};
use glomer_workbench::verdict::Validity;
use locks::{Locks, Server};

fn locks() -> Test {
    Test::new(Locks)
        .nodes(3)
        .concurrency(6)
        .rate(20.0)
        .latency(Latency::exponential(ms(5)))
        .time_limit(secs(6))
        .nemesis_interval(secs(1))
}

#[test]
fn no_write_is_accepted_after_one_of_a_later_holder() {
    let tests = locks()
        .nemesis((
            Partition,
            OneWayPartition,
            Loss,
            Duplicate,
            Slow,
            Kill,
            Pause,
            Skew,
        ))
        .seeds(0..500)
        // With nodes that are down most of the time, nobody gets anything, or writes it.
        .tolerate_unknown()
        .run::<Server>();
    assert!(tests.count(Validity::True) > 350, "{tests}");
    tests.assert_valid();
}

#[test]
fn a_node_that_trusts_its_clock_is_found() {
    let tests = locks()
        .nemesis(Skew)
        .tolerate_unknown()
        .run_with(|_| Server::trusting_its_clock());
    let tested = tests.refused().expect("clocks are wrong");
    assert_eq!(tested.results.why.to_string(), "\
Why: a write of lock 0 was accepted after one of a later holder.
  n0 gave it to the holder of token 3 at 0.014 s (operation 2).
  n2 gave it to the holder of token 8 at 1.097 s (operation 48).
  n2 accepted a write with token 8, between 1.437 s and 1.437 s (operation 60).
  n0 then accepted a write with token 3, between 1.526 s and 1.527 s (operation 62). So with another write.");
}
