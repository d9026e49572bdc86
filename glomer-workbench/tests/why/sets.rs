//! broadcast and g-set.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::run::nemesis::{Kill, Loss, Partition};
use glomer_workbench::{Test, workload};

use super::why;

/// Passes each value on once, and never again.
#[derive(Default)]
struct Flood {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(node: &mut Flood, cx: &Context, message: u64) {
    if node.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(node: &Flood) -> BTreeSet<u64> {
    node.messages.clone()
}

#[handler("topology")]
fn topology(_: &Flood, topology: BTreeMap<String, Vec<String>>) {}

fn flood() -> Test {
    Test::new(workload::Broadcast::default())
        .nodes(3)
        .rate(10.0)
        .latency(Latency::constant(ms(10)))
        .time_limit(secs(10))
        .nemesis_interval(secs(3))
}

#[test]
fn what_a_partition_dropped_is_told() {
    assert_eq!(
        why::<Flood>(flood().nemesis(Partition)),
        "\
Why: value 3 is lost.
  n0 acknowledged it at 1.050 s (operation 26).
  n0 returned it to the read of 20.000 s (operation 208).
  n0 → n2 carried it at 1.050 s; the partition of 0.000 s to 1.419 s dropped it. Nobody sent it to n2 again.
  The final read of 20.000 s by n2 (operation 210) does not have it."
    );
}

#[test]
fn what_the_network_lost_is_told() {
    assert_eq!(
        why::<Flood>(flood().nemesis(Loss)),
        "\
Why: value 6 is lost.
  n0 acknowledged it at 1.056 s (operation 26).
  n0 returned it to the read of 20.000 s (operation 184).
  n0 → n2 carried it at 1.056 s; the network lost it in the loss of 0.000 s to 3.868 s. Nobody sent it to n2 again.
  The final read of 20.000 s by n2 (operation 186) does not have it. So with 5 other values."
    );
}

#[test]
fn what_a_node_forgot_when_it_was_killed_is_told() {
    assert_eq!(
        why::<Flood>(flood().nemesis(Kill)),
        "\
Why: value 0 is lost.
  n0 acknowledged it at 0.002 s (operation 2).
  n0 returned it to the read of 21.217 s (operation 216).
  n0 → n2 brought it at 0.012 s. n2 was killed at 6.030 s. Nobody sent it to n2 again.
  The final read of 21.217 s by n2 (operation 218) does not have it. So with 56 other values."
    );
}

/// Keeps its elements for itself.
#[derive(Default)]
struct Lonely {
    elements: BTreeSet<u64>,
}

#[handler("add")]
fn add(node: &mut Lonely, element: u64) {
    node.elements.insert(element);
}

#[handler("read", reply = "value", message = Whole)]
fn whole(node: &Lonely) -> BTreeSet<u64> {
    node.elements.clone()
}

#[test]
fn what_was_never_sent_is_told() {
    let test = Test::new(workload::GSet::default()).nodes(2).rate(5.0);
    assert_eq!(
        why::<Lonely>(test.time_limit(secs(5))),
        "\
Why: value 0 is lost.
  n0 acknowledged it at 0.001 s (operation 0).
  n0 returned it to the read of 15.000 s (operation 52).
  n0 sent it to no other node.
  The read of 15.000 s by n1 (operation 53) does not have it. So with 6 other values."
    );
}
