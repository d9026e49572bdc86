//! g-counter and pn-counter.

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::run::nemesis::{Duplicate, Loss};
use glomer_workbench::{Test, workload};

use super::why;

/// Counts for itself.
#[derive(Default)]
struct Lonely {
    sum: i64,
}

#[handler("add", message = AddAlone)]
fn add_alone(node: &mut Lonely, delta: i64) {
    node.sum += delta;
}

#[handler("read", reply = "value", message = ReadAlone)]
fn read_alone(node: &Lonely) -> i64 {
    node.sum
}

#[test]
fn whose_additions_never_came_is_told() {
    let test = Test::new(workload::PnCounter).nodes(3).time_limit(secs(5));
    assert_eq!(
        why::<Lonely>(test),
        "\
Why: the sum of n1 is 1 too low.
  n1 answered -7 at 15.001 s (operation 53).
  11 additions were acknowledged, and come to -6.
  1 is what all additions of n0 and n2 come to. So with 2 other reads."
    );
}

/// Tells the others once of each addition, and believes all that it is told.
#[derive(Default)]
struct Told {
    sum: i64,
}

#[handler("add")]
fn add(node: &mut Told, cx: &Context, delta: i64) {
    node.sum += delta;
    for peer in cx.peers() {
        cx.send(peer, More { delta });
    }
}

#[handler("more")]
fn more(node: &mut Told, delta: i64) {
    node.sum += delta;
}

#[handler("read", reply = "value")]
fn read(node: &Told) -> i64 {
    node.sum
}

fn told() -> Test {
    Test::new(workload::GCounter)
        .nodes(2)
        .latency(Latency::constant(ms(10)))
        .time_limit(secs(5))
}

#[test]
fn which_addition_was_lost_is_told() {
    assert_eq!(
        why::<Told>(told().nemesis(Loss)),
        "\
Why: the sum of n0 is 3 too low.
  n0 answered 9 at 15.000 s (operation 56).
  8 additions were acknowledged, and come to 12.
  3 is what the one addition of 3 came to, by n1 at 1.454 s (operation 16). So with another read."
    );
}

#[test]
fn which_addition_counted_twice_is_told() {
    assert_eq!(why::<Told>(told().nemesis(Duplicate)), "\
Why: the sum of n1 is 1 too high.
  n1 answered 13 at 15.002 s (operation 57).
  8 additions were acknowledged, and come to 12.
  1 is what each of the additions of 1 came to, by n0 at 0.266 s (operation 6) and n0 at 4.033 s (operation 46), as if it had counted twice.");
}
