//! Logs of messages on one node. Several nodes need a place to agree on, such as the service
//! `lin-kv`: that is challenge 5b.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use serde_json::Value;

#[derive(Default)]
struct State {
    logs: BTreeMap<String, Vec<Value>>,
    committed: BTreeMap<String, usize>,
}

#[handler("send", reply = "offset")]
fn send(state: &mut State, key: String, msg: Value) -> usize {
    let log = state.logs.entry(key).or_default();
    log.push(msg);
    log.len() - 1
}

/// At most a hundred messages of each log, from the offsets that are asked for.
#[handler("poll", reply = "msgs")]
fn poll(state: &State, offsets: BTreeMap<String, usize>) -> BTreeMap<String, Vec<(usize, Value)>> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        if let Some(log) = state.logs.get(&key) {
            let found = log.iter().cloned().enumerate().skip(from).take(100);
            msgs.insert(key, found.collect());
        }
    }
    msgs
}

#[handler("commit_offsets")]
fn commit_offsets(state: &mut State, offsets: BTreeMap<String, usize>) {
    for (key, offset) in offsets {
        let committed = state.committed.entry(key).or_default();
        *committed = offset.max(*committed);
    }
}

#[handler("list_committed_offsets", reply = "offsets")]
fn list_committed_offsets(state: &State, keys: Vec<String>) -> BTreeMap<String, usize> {
    let mut offsets = state.committed.clone();
    offsets.retain(|key, _| keys.contains(key));
    offsets
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Pause;
    use glomer_workbench::workload::Kafka;

    #[test]
    fn holds_under_faults() {
        Test::new(Kafka::default())
            .nodes(1)
            .concurrency(2)
            .rate(20.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Pause)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
