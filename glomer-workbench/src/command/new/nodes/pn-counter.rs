//! A counter that goes up and down, without a store: each node counts what was added at it and
//! what was taken away, tells the others, and answers with the sum of all counts.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    /// What was added and taken away at each node.
    counts: BTreeMap<String, (u64, u64)>,
}

#[handler("add")]
fn add(state: &mut State, cx: &Context, delta: i64) {
    let (up, down) = state.counts.entry(cx.node_id().to_owned()).or_default();
    let count = if delta < 0 { down } else { up };
    *count += delta.unsigned_abs();
}

#[handler("read", reply = "value")]
fn read(state: &State) -> i64 {
    let counts = state.counts.values();
    counts.map(|(up, down)| *up as i64 - *down as i64).sum()
}

#[every("500ms")]
fn gossip(state: &mut State, cx: &Context) {
    for peer in cx.peers() {
        let counts = state.counts.clone();
        cx.send(peer, Merge { counts });
    }
}

/// Both counts only grow, so the greater of two is the later one.
#[handler("merge")]
fn merge(state: &mut State, counts: BTreeMap<String, (u64, u64)>) {
    for (node, theirs) in counts {
        let ours = state.counts.entry(node).or_default();
        *ours = (theirs.0.max(ours.0), theirs.1.max(ours.1));
    }
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Partition;
    use glomer_workbench::workload::PnCounter;

    #[test]
    fn holds_under_faults() {
        Test::new(PnCounter)
            .nodes(3)
            .rate(20.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Partition)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
