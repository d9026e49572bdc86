//! A set that only grows: every element gets to every node.

use std::collections::BTreeSet;

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    elements: BTreeSet<i64>,
}

#[handler("add")]
fn add(state: &mut State, element: i64) {
    state.elements.insert(element);
}

#[handler("read", reply = "value")]
fn read(state: &State) -> BTreeSet<i64> {
    state.elements.clone()
}

#[every("500ms")]
fn gossip(state: &mut State, cx: &Context) {
    for peer in cx.peers() {
        let elements = state.elements.clone();
        cx.send(peer, Merge { elements });
    }
}

#[handler("merge")]
fn merge(state: &mut State, elements: BTreeSet<i64>) {
    state.elements.extend(elements);
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Partition;
    use glomer_workbench::workload::GSet;

    #[test]
    fn holds_under_faults() {
        Test::new(GSet::default())
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
