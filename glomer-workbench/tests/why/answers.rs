//! echo and unique-ids.

use glomer_runtime::prelude::*;
use glomer_runtime::sim::secs;
use glomer_workbench::{Test, workload};

use super::why;

/// Repeats what it was sent before.
#[derive(Default)]
struct Slow {
    before: String,
}

#[handler("echo", reply = "echo")]
fn echo(node: &mut Slow, echo: String) -> String {
    std::mem::replace(&mut node.before, echo)
}

#[test]
fn what_came_back_instead_is_told() {
    let test = Test::new(workload::Echo).nodes(1).time_limit(secs(2));
    assert_eq!(why::<Slow>(test), "\
Why: what came back is not what was sent.
  n0 was sent \"Please echo 56\" at 0.000 s and answered {:echo \"\", :in_reply_to 1, :type \"echo_ok\"} at 0.001 s (operation 0). So with 10 other requests.");
}

/// Counts, as other nodes do.
#[derive(Default)]
struct Count {
    made: u64,
}

#[handler("generate", reply = "id")]
fn generate(node: &mut Count) -> u64 {
    node.made += 1;
    node.made
}

#[test]
fn who_gave_out_the_same_id_is_told() {
    let test = Test::new(workload::UniqueIds).nodes(3).time_limit(secs(2));
    assert_eq!(
        why::<Count>(test),
        "\
Why: the same id was given out more than once.
  n0 gave out 1 at 0.001 s (operation 0).
  n1 gave out 1 at 0.108 s (operation 2). So with 3 other ids."
    );
}
