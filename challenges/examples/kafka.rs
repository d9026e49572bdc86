//! Challenge 5b, a Kafka-style log on several nodes, kept in lin-kv.
//!
//! Workbench: cargo glomer test -w kafka --example kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000
//! Maelstrom: maelstrom test -w kafka --bin target/release/examples/kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000
//!
//! Each message has a slot of its own in lin-kv, `<key>/<offset>`, that never
//! changes once it is filled. To append is to fill the first free slot; who comes
//! second learns what the first one put there, and tries the next. There are no
//! holes, so a node that found a slot empty has read the whole log, and what it
//! has read it need never read again.
//!
//! Everything that a node sends to lin-kv may be done twice without harm, so it
//! tries until there is an answer. `kafka_efficient.rs` does with fewer messages.

use std::collections::BTreeMap;

use glomer_runtime::{Backoff, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most messages of one key that a poll is answered with.
const BATCH: usize = 100;

/// What this node has read of the logs and of the committed offsets.
#[derive(Default)]
struct State {
    logs: BTreeMap<String, Vec<Slot>>,
    committed: BTreeMap<String, u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Slot {
    msg: Value,
    /// Tells equal messages apart, so that none takes the other's slot for its own.
    id: String,
}

impl State {
    fn log(&mut self, key: &str) -> &mut Vec<Slot> {
        self.logs.entry(key.to_owned()).or_default()
    }

    /// Another handler may have read the slot meanwhile.
    fn learn(&mut self, key: &str, offset: usize, slot: Slot) {
        let log = self.log(key);
        if log.len() == offset {
            log.push(slot);
        }
    }
}

#[handler("send", reply = "offset")]
async fn send(
    state: &Shared<State>,
    cx: &Context,
    key: String,
    msg: Value,
) -> Result<usize, Error> {
    let id = format!("{:016x}", cx.rng().next_u64());
    let slot = Slot { msg, id };
    let kv = cx.lin_kv();
    loop {
        let offset = state.with(|state| state.log(&key).len());
        let name = format!("{key}/{offset}");
        // From the slot's own content, so that a second try finds its first.
        let fill = || kv.cas_or_create(&name, &slot, &slot);
        match cx.retry(Backoff::default(), fill).await {
            Ok(()) => {
                state.with(|state| state.learn(&key, offset, slot));
                return Ok(offset);
            }
            Err(error) if error.code() == 22 => read_slot(state, cx, &key, offset).await?,
            Err(error) => return Err(error),
        };
    }
}

/// Reads a slot, and says whether there is anything in it.
async fn read_slot(
    state: &Shared<State>,
    cx: &Context,
    key: &str,
    offset: usize,
) -> Result<bool, Error> {
    let kv = cx.lin_kv();
    let read = || kv.read_or(format!("{key}/{offset}"), None);
    let slot = cx.retry(Backoff::default(), read).await?;
    let found = slot.is_some();
    state.with(|state| slot.map(|slot| state.learn(key, offset, slot)));
    Ok(found)
}

#[handler("poll", reply = "msgs")]
async fn poll(
    state: &Shared<State>,
    cx: &Context,
    offsets: BTreeMap<String, usize>,
) -> Result<BTreeMap<String, Vec<(usize, Value)>>, Error> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        let mut end = state.with(|state| state.log(&key).len());
        while end < from.saturating_add(BATCH) && read_slot(state, cx, &key, end).await? {
            end += 1;
        }
        let found = state.with(|state| {
            let log = state.log(&key).iter().enumerate().skip(from).take(BATCH);
            log.map(|(offset, slot)| (offset, slot.msg.clone()))
                .collect()
        });
        msgs.insert(key, found);
    }
    Ok(msgs)
}

/// Consumers have done with everything up to these offsets.
#[handler("commit_offsets")]
async fn commit_offsets(
    state: &Shared<State>,
    cx: &Context,
    offsets: BTreeMap<String, u64>,
) -> Result<(), Error> {
    let kv = cx.lin_kv();
    for (key, offset) in offsets {
        let name = format!("{key}/committed");
        let mut known = state.with(|state| state.committed.get(&key).copied());
        while known < Some(offset) {
            let from = known.unwrap_or(offset);
            let raise = || kv.cas_or_create(&name, from, offset);
            known = match cx.retry(Backoff::default(), raise).await {
                Ok(()) => Some(offset),
                Err(error) if error.code() == 22 => read_committed(cx, &key).await?,
                Err(error) => return Err(error),
            };
        }
        state.with(|state| state.committed.insert(key, known.unwrap_or(offset)));
    }
    Ok(())
}

async fn read_committed(cx: &Context, key: &str) -> Result<Option<u64>, Error> {
    let kv = cx.lin_kv();
    let read = || kv.read_or(format!("{key}/committed"), None);
    cx.retry(Backoff::default(), read).await
}

#[handler("list_committed_offsets", reply = "offsets")]
async fn list_committed_offsets(
    _: &Shared<State>,
    cx: &Context,
    keys: Vec<String>,
) -> Result<BTreeMap<String, u64>, Error> {
    let mut offsets = BTreeMap::new();
    for key in keys {
        if let Some(offset) = read_committed(cx, &key).await? {
            offsets.insert(key, offset);
        }
    }
    Ok(offsets)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/kafka.rs"]
mod tests;
