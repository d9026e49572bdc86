//! A counter that only grows, without a store: each node counts what was added at it, tells
//! the others, and answers with the sum of all counts.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    /// What was added at each node.
    counts: BTreeMap<String, u64>,
}

#[handler("add")]
fn add(state: &mut State, cx: &Context, delta: u64) {
    *state.counts.entry(cx.node_id().to_owned()).or_default() += delta;
}

#[handler("read", reply = "value")]
fn read(state: &State) -> u64 {
    state.counts.values().sum()
}

#[every("500ms")]
fn gossip(state: &mut State, cx: &Context) {
    for peer in cx.peers() {
        let counts = state.counts.clone();
        cx.send(peer, Merge { counts });
    }
}

/// A count only grows, so the greater of two is the later one.
#[handler("merge")]
fn merge(state: &mut State, counts: BTreeMap<String, u64>) {
    for (node, theirs) in counts {
        let ours = state.counts.entry(node).or_default();
        *ours = theirs.max(*ours);
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
    use glomer_workbench::workload::GCounter;

    #[test]
    fn holds_under_faults() {
        Test::new(GCounter)
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
