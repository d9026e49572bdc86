//! Challenge 5a, a Kafka-style log on one node: messages are appended to the log
//! of a key, and read from any offset of it.
//!
//! Workbench: cargo glomer test -w kafka --example kafka_single --node-count 1 --concurrency 2n --time-limit 20 --rate 1000
//! Maelstrom: maelstrom test -w kafka --bin target/release/examples/kafka_single --node-count 1 --concurrency 2n --time-limit 20 --rate 1000
//!
//! One node that handles one message at a time needs nothing but a disk: each key
//! has a log there, and a message's number in it is its offset. The node may be
//! killed at any moment. For several nodes, see `kafka.rs`.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use serde_json::Value;

/// The most messages of one key that a poll is answered with.
const BATCH: u64 = 100;

/// All that it knows is on its disk.
#[derive(Default)]
struct State;

#[handler("send", reply = "offset")]
fn send(_: &State, cx: &Context, key: String, msg: Value) -> u64 {
    cx.disk().append(&key, &msg)
}

#[handler("poll", reply = "msgs")]
fn poll(
    _: &State,
    cx: &Context,
    offsets: BTreeMap<String, u64>,
) -> Result<BTreeMap<String, Vec<(u64, Value)>>, Error> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        let found = cx.disk().entries(&key, from..from + BATCH)?;
        msgs.insert(key, found);
    }
    Ok(msgs)
}

/// Consumers have done with everything up to these offsets.
#[handler("commit_offsets")]
fn commit_offsets(_: &State, cx: &Context, offsets: BTreeMap<String, u64>) -> Result<(), Error> {
    for (key, offset) in offsets {
        let committed = cx.disk().load(&key)?;
        if committed.is_none_or(|committed: u64| committed < offset) {
            cx.disk().put(&key, &offset);
        }
    }
    Ok(())
}

#[handler("list_committed_offsets", reply = "offsets")]
fn list_committed_offsets(
    _: &State,
    cx: &Context,
    keys: Vec<String>,
) -> Result<BTreeMap<String, u64>, Error> {
    let mut offsets = BTreeMap::new();
    for key in keys {
        if let Some(offset) = cx.disk().load(&key)? {
            offsets.insert(key, offset);
        }
    }
    Ok(offsets)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::Stdio::new().disk_or_memory().run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/kafka_single.rs"]
mod tests;
