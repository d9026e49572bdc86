//! Broadcast at the limit: the workbench asks the broadcast node as Maelstrom does, and its
//! checker tells what that cost and how long it took.

use std::collections::BTreeSet;
use std::time::Duration;

use glomer_runtime::sim::{Delivery, Latency, ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{Op, OpType, Process};
use glomer_workbench::run::nemesis::{Duplicate, Faults, Kill, Loss, Partition, Pause};
use glomer_workbench::workload::Broadcast;
use glomer_workbench::{Test, Tested};

#[allow(dead_code)]
#[path = "../broadcast/src/main.rs"]
mod broadcast;

fn challenge(nodes: usize, rate: f64) -> Test {
    Test::new(Broadcast::default())
        .nodes(nodes)
        .rate(rate)
        .time_limit(secs(20))
        .delivery(Delivery::InTurn)
        .turn_latency(ms(0))
}

/// Challenge 3b.
fn small() -> Test {
    challenge(5, 10.0).seeds(0..5)
}

/// Challenges 3d and 3e.
fn large() -> Test {
    challenge(25, 100.0).latency(Latency::constant(ms(100)))
}

/// Runs the test, and holds the figures of each run to what they should be.
fn demand(test: Test, right: impl Fn(&Figures) -> bool + Send + Sync + 'static) {
    test.judge(move |tested| {
        let figures = Figures::of(tested);
        println!("seed {}: {figures:?}", tested.seed);
        assert!(right(&figures), "{figures:?}");
    })
    .run::<broadcast::State>()
    .assert_valid();
}

/// What came of a run.
#[derive(Debug)]
struct Figures {
    messages_per_op: f64,
    /// The stable latency, in milliseconds.
    median: i64,
    max: i64,
    /// How long after the end of a fault a read missed a value that was acknowledged before it.
    disagreed: Duration,
}

impl Figures {
    fn of(tested: &Tested) -> Figures {
        let run = &tested.run;
        let operations = run.history.client_ops();
        let operations = operations.filter(|op| op.kind == OpType::Invoke).count();
        let latencies = tested.figure("stable-latencies").and_then(Edn::as_map);
        let quantile = |wanted: Edn| {
            let mut quantiles = latencies.unwrap_or_default().iter();
            let found = quantiles.find(|(quantile, _)| *quantile == wanted);
            found.and_then(|(_, latency)| latency.as_int()).unwrap()
        };
        Figures {
            messages_per_op: run.journal.servers().sent as f64 / operations as f64,
            median: quantile(Edn::Float(0.5)),
            max: quantile(Edn::Int(1)),
            disagreed: disagreement(&run.history.0),
        }
    }
}

/// How long after the end of a fault, and before the next one, a read missed a value that was
/// acknowledged before that end.
fn disagreement(ops: &[Op]) -> Duration {
    let is_fault = |op: &&Op| op.process == Process::Nemesis && op.kind == OpType::Info;
    let ends = |op: &&Op| op.f.starts_with("stop") || op.f == "start" || op.f == "resume";
    let mut longest = 0;
    for end in ops.iter().filter(is_fault).filter(ends) {
        let mut later = ops.iter().filter(|op| op.time > end.time);
        let next = later.find(|op| is_fault(op) && !ends(op));
        let until = next.map_or(i64::MAX, |op| op.time);
        let known: BTreeSet<i64> = ops
            .iter()
            .filter(|op| op.kind == OpType::Ok && op.f == "broadcast" && op.time < end.time)
            .filter_map(|op| op.value.as_int())
            .collect();
        for (place, read) in ops.iter().enumerate() {
            if read.kind != OpType::Ok || read.f != "read" {
                continue;
            }
            let mut before = ops[..place].iter().rev();
            let invocation = before.find(|op| op.process == read.process).unwrap();
            let values = read.value.as_seq().unwrap_or_default().iter();
            let values: BTreeSet<i64> = values.filter_map(Edn::as_int).collect();
            if (end.time..until).contains(&invocation.time) && !known.is_subset(&values) {
                longest = longest.max(invocation.time - end.time);
            }
        }
    }
    Duration::from_nanos(longest.unsigned_abs())
}

#[test]
fn small_and_fast() {
    demand(small(), |it| it.messages_per_op <= 2.8 && it.max == 0);
}

#[test]
fn large_and_slow() {
    demand(large().seeds(0..5), |it| {
        it.messages_per_op <= 2.0 && it.median <= 260 && it.max <= 350
    });
}

#[test]
fn large_with_latencies_of_all_lengths() {
    let test = large().latency(Latency::exponential(ms(100))).seeds(0..3);
    demand(test, |it| it.messages_per_op <= 4.0 && it.median <= 500);
}

#[test]
fn small_and_partitioned() {
    let test = small().nemesis(Partition).time_limit(secs(40));
    demand(test, |it| {
        it.messages_per_op <= 6.0 && it.disagreed <= secs(2)
    });
}

#[test]
fn large_and_partitioned() {
    let test = large().nemesis(Partition).time_limit(secs(40)).seeds(0..3);
    demand(test, |it| {
        it.messages_per_op <= 8.0 && it.disagreed <= secs(3)
    });
}

#[test]
fn large_with_every_other_fault() {
    // The nemesis of this seed never kills all nodes at once, with which everything would be lost.
    let one = || large().time_limit(secs(40)).seeds([1]);
    let agree = |it: &Figures| it.disagreed <= secs(3);
    demand(one().nemesis(Kill), agree);
    for faults in [Faults::from(Pause), Loss.into(), Duplicate.into()] {
        demand(one().nemesis(faults).p_loss(0.1), agree);
    }
}
