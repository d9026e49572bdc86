use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// As many messages does a poll return of a log.
const BATCH: usize = 20;

/// A node that keeps logs in the linearizable store, a key for each offset.
pub(crate) struct Logs {
    /// Whether it takes an offset only if nobody else has it.
    compares: bool,
    /// Up to here it knows that the offsets of a log are taken.
    taken: BTreeMap<String, usize>,
    committed: BTreeMap<String, u64>,
}

impl Logs {
    pub(crate) fn new(compares: bool) -> Logs {
        Logs {
            compares,
            taken: BTreeMap::new(),
            committed: BTreeMap::new(),
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Slot {
    msg: Value,
    /// Tells equal messages apart.
    id: u64,
}

#[handler("send", reply = "offset")]
async fn send(logs: &Shared<Logs>, cx: &Context, key: String, msg: Value) -> Result<usize, Error> {
    let kv = cx.lin_kv();
    let id = cx.rng().next_u64();
    let slot = Slot { msg, id };
    let mut offset = logs.with(|logs| logs.taken.get(&key).copied().unwrap_or(0));
    loop {
        let name = format!("{key}/{offset}");
        let is_taken = if logs.with(|logs| logs.compares) {
            match kv.cas_or_create(&name, &slot, &slot).await {
                Ok(()) => false,
                Err(error) if error.code() == 22 => true,
                Err(error) => return Err(error),
            }
        } else {
            let found: Option<Slot> = kv.read_or(&name, None).await?;
            if found.is_none() {
                kv.write(&name, &slot).await?;
            }
            found.is_some()
        };
        logs.with(|logs| logs.taken.insert(key.clone(), offset + 1));
        if !is_taken {
            return Ok(offset);
        }
        offset += 1;
    }
}

#[handler("poll", reply = "msgs")]
async fn poll(
    _: &Shared<Logs>,
    cx: &Context,
    offsets: BTreeMap<String, usize>,
) -> Result<BTreeMap<String, Vec<(usize, Value)>>, Error> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        let found: &mut Vec<(usize, Value)> = msgs.entry(key.clone()).or_default();
        for offset in from..from + BATCH {
            let slot: Option<Slot> = cx.lin_kv().read_or(format!("{key}/{offset}"), None).await?;
            let Some(slot) = slot else { break };
            found.push((offset, slot.msg));
        }
    }
    Ok(msgs)
}

#[handler("commit_offsets")]
fn commit_offsets(logs: &mut Logs, offsets: BTreeMap<String, u64>) {
    logs.committed.extend(offsets);
}

#[handler("list_committed_offsets", reply = "offsets")]
fn list_committed_offsets(logs: &Logs, keys: Vec<String>) -> BTreeMap<String, u64> {
    let known = keys.into_iter().filter_map(|key| {
        let offset = *logs.committed.get(&key)?;
        Some((key, offset))
    });
    known.collect()
}
