//! Challenge 5a, a Kafka-style log on one node: messages are appended to the log
//! of a key, and read from any offset of it.
//!
//! Workbench: cargo glomer test -w kafka --example kafka_single --node-count 1 --concurrency 2n --time-limit 20 --rate 1000
//! Maelstrom: maelstrom test -w kafka --bin target/release/examples/kafka_single --node-count 1 --concurrency 2n --time-limit 20 --rate 1000
//!
//! One node that handles one message at a time needs nothing but memory. For
//! several nodes, see `kafka.rs`.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use serde_json::Value;

/// The most messages of one key that a poll is answered with.
const BATCH: usize = 100;

#[derive(Default)]
struct State {
    logs: BTreeMap<String, Vec<Value>>,
    committed: BTreeMap<String, u64>,
}

#[handler("send", reply = "offset")]
fn send(state: &mut State, key: String, msg: Value) -> usize {
    let log = state.logs.entry(key).or_default();
    log.push(msg);
    log.len() - 1
}

#[handler("poll", reply = "msgs")]
fn poll(state: &State, offsets: BTreeMap<String, usize>) -> BTreeMap<String, Vec<(usize, Value)>> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        if let Some(log) = state.logs.get(&key) {
            let found = log.iter().enumerate().skip(from).take(BATCH);
            msgs.insert(key, found.map(|(at, msg)| (at, msg.clone())).collect());
        }
    }
    msgs
}

/// Consumers have done with everything up to these offsets.
#[handler("commit_offsets")]
fn commit_offsets(state: &mut State, offsets: BTreeMap<String, u64>) {
    for (key, offset) in offsets {
        let committed = state.committed.entry(key).or_default();
        *committed = offset.max(*committed);
    }
}

#[handler("list_committed_offsets", reply = "offsets")]
fn list_committed_offsets(state: &State, keys: Vec<String>) -> BTreeMap<String, u64> {
    let mut offsets = BTreeMap::new();
    for key in keys {
        if let Some(offset) = state.committed.get(&key) {
            offsets.insert(key, *offset);
        }
    }
    offsets
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/kafka_single.rs"]
mod tests;
