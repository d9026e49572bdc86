//! Passes every value on to every node, and repairs what the network loses.
//!
//! A node tells all others of a value as soon as it hears of it, and all that it knows to one
//! of them ten times a second. That is right, and far from cheap: challenge 3d asks for less.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(state: &mut State, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(state: &State) -> BTreeSet<u64> {
    state.messages.clone()
}

#[handler("topology")]
fn topology(_: &State, topology: BTreeMap<String, Vec<String>>) {}

#[every("100ms")]
fn repair(state: &mut State, cx: &Context) {
    let peers: Vec<&str> = cx.peers().collect();
    if let Some(peer) = cx.rng().choose(&peers) {
        let messages = state.messages.clone();
        cx.send(peer, Merge { messages });
    }
}

#[handler("merge")]
fn merge(state: &mut State, messages: BTreeSet<u64>) {
    state.messages.extend(messages);
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Partition;
    use glomer_workbench::workload::Broadcast;

    #[test]
    fn holds_under_faults() {
        Test::new(Broadcast::default())
            .nodes(5)
            .rate(10.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Partition)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
