//! Broadcast at the limit: the workbench asks the broadcast node as Maelstrom does, and its
//! checker tells what that cost and how long it took.

use std::collections::BTreeSet;
use std::time::Duration;

use glomer_runtime::sim::{Delivery, Latency, ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};
use glomer_workbench::run::nemesis::{Duplicate, Faults, Kill, Loss, Partition, Pause};
use glomer_workbench::workload::Broadcast;
use glomer_workbench::{Test, Tested};

#[allow(dead_code)]
#[path = "../broadcast/src/main.rs"]
mod broadcast;

/// Challenge 3b.
fn small(time: u64) -> Test {
    let test = Test::new(Broadcast::default()).nodes(5).rate(10.0);
    let test = test.delivery(Delivery::InTurn).turn_latency(ms(0));
    test.time_limit(secs(time)).seeds(0..5)
}

/// Challenges 3d and 3e.
fn large(time: u64) -> Test {
    let test = small(time).nodes(25).rate(100.0);
    test.latency(Latency::constant(ms(100)))
}

#[derive(Debug)]
struct Figures {
    /// Messages between nodes for each operation.
    messages: f64,
    /// The stable latency, in milliseconds.
    median: i64,
    max: i64,
    disagreed: Duration,
}

/// Runs the test, and holds the figures of each run to what they should be.
fn demand(test: Test, right: fn(Figures) -> bool) {
    let judge = move |tested: &Tested| {
        let history = &tested.run.history;
        let sent = tested.run.journal.servers().sent;
        let latencies = tested.figure("stable-latencies").and_then(Edn::as_map);
        let quantile = |place: usize| latencies.unwrap()[place].1.as_int().unwrap();
        let figures = Figures {
            messages: sent as f64 / history.pairs().len() as f64,
            median: quantile(1),
            max: quantile(4),
            disagreed: disagreement(history),
        };
        println!("seed {}: {figures:?}", tested.seed);
        assert!(right(figures));
    };
    test.judge(judge).run::<broadcast::State>().assert_valid();
}

/// How long after the end of a fault, and before the next one, a read missed a value that was
/// acknowledged before that end.
fn disagreement(history: &History) -> Duration {
    let pairs = history.pairs().into_iter();
    let oks = pairs.filter_map(|(asked, end)| Some((asked.time, end?)));
    let oks = oks.filter(|(_, end)| end.kind == OpType::Ok);
    let (reads, acknowledged): (Vec<_>, Vec<_>) = oks.partition(|(_, end)| end.f == "read");
    let nemesis = || history.0.iter().filter(|op| op.process == Process::Nemesis);
    let ends = |op: &&Op| op.f.starts_with("stop") || ["start", "resume"].contains(&&*op.f);
    let mut longest = 0;
    for end in nemesis().filter(ends) {
        let next = nemesis().find(|op| op.time > end.time && !ends(op));
        let calm = end.time..next.map_or(i64::MAX, |op| op.time);
        let known = acknowledged.iter().filter(|(_, ok)| ok.time < end.time);
        let known: BTreeSet<&Edn> = known.map(|(_, ok)| &ok.value).collect();
        for (began, read) in reads.iter().filter(|(began, _)| calm.contains(began)) {
            let values = read.value.as_seq().unwrap_or_default();
            if !known.is_subset(&values.iter().collect()) {
                longest = longest.max(began - end.time);
            }
        }
    }
    Duration::from_nanos(longest.unsigned_abs())
}

#[test]
fn small_and_fast() {
    demand(small(20), |it| it.messages <= 2.8 && it.max == 0);
}

#[test]
fn large_and_slow() {
    demand(large(20), |it| {
        it.messages <= 2.0 && it.median <= 260 && it.max <= 350
    });
}

#[test]
fn large_with_latencies_of_all_lengths() {
    let test = large(20).latency(Latency::exponential(ms(100))).seeds(0..3);
    demand(test, |it| it.messages <= 4.0 && it.median <= 500);
}

#[test]
fn small_and_partitioned() {
    let test = small(40).nemesis(Partition);
    demand(test, |it| it.messages <= 6.0 && it.disagreed <= secs(2));
}

#[test]
fn large_and_partitioned() {
    let test = large(40).nemesis(Partition).seeds(0..3);
    demand(test, |it| it.messages <= 8.0 && it.disagreed <= secs(3));
}

#[test]
fn large_with_every_other_fault() {
    // The nemesis of this seed never kills all nodes at once, with which everything would be lost.
    let (one, lossy) = (large(40).seeds([1]), large(40).seeds([1]).p_loss(0.1));
    demand(one.nemesis(Kill), |it| it.disagreed <= secs(3));
    for faults in [Faults::from(Pause), Loss.into(), Duplicate.into()] {
        demand(lossy.clone().nemesis(faults), |it| it.disagreed <= secs(3));
    }
}
