//! Challenge 6, transactions over registers: 6a on one node, 6b and 6c totally
//! available on several, read-uncommitted and read-committed under partitions.
//!
//! Workbench: cargo glomer test -w txn-rw-register --example txn_rw_register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 --consistency-models read-committed --availability total --nemesis partition
//! Maelstrom: maelstrom test -w txn-rw-register --bin target/release/examples/txn_rw_register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 --consistency-models read-committed --availability total --nemesis partition
//!
//! A node executes a transaction on its own copy of the registers, alone and at
//! once, so it is available whatever happens to the others. What it wrote carries
//! a time that is later than that of everything it read, and of two writes to a
//! register the later one stays, everywhere. So there is one order of all
//! transactions in which no transaction reads from a later one, and in which
//! every register takes its writes: no dirty write (G0), no circular information
//! flow (G1c). Only the last write of a transaction to a register leaves it, and
//! it never aborts: no intermediate and no aborted reads (G1b, G1a).
//!
//! Registers reach the other nodes ten times a second: to each goes what it has
//! not confirmed yet, in its newest version, whose number is at most that of the
//! registers however long a partition lasts. A node that starts anew asks for
//! everything; what it had acknowledged and not passed on is lost with it.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::{Backoff, prelude::*};
use serde::{Deserialize, Serialize};

/// The most registers in one message.
const BATCH: usize = 500;

type Key = u64;
type Registers = BTreeMap<Key, Register>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Register {
    written: Time,
    value: u64,
}

/// Lamport's clock; the number of the run tells the times of nodes apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Time {
    clock: u64,
    run: u64,
}

#[derive(Default)]
struct State {
    now: Time,
    registers: Registers,
    peers: BTreeMap<String, Peer>,
}

/// What this node knows of another one.
#[derive(Default)]
struct Peer {
    /// Which run of it the rest is about.
    run: u64,
    /// The registers it may not have in their newest version.
    unconfirmed: BTreeSet<Key>,
    /// Whether some are on their way to it.
    busy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "w")]
    Write,
}

type MicroOperation = (Kind, Key, Option<u64>);

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.now.run = cx.rng().next_u64();
    for peer in cx.peers() {
        state.peers.insert(peer.to_owned(), Peer::default());
        cx.spawn(join_at(cx.clone(), peer.to_owned(), state.now.run));
    }
}

async fn join_at(cx: Context, peer: String, run: u64) {
    // It tries until it succeeds.
    let _ = cx
        .retry(Backoff::default(), || cx.rpc(&peer, Join { run }))
        .await;
}

/// The sender has just started and knows nothing. If it is not the first time,
/// what it sent before may have reached some nodes only, so tell everyone.
#[handler("join")]
fn join(state: &mut State, cx: &Context, run: u64) {
    for (name, peer) in &mut state.peers {
        peer.unconfirmed = state.registers.keys().copied().collect();
        if name == cx.sender() {
            peer.run = run;
        }
    }
}

#[handler("txn", reply = "txn")]
fn txn(state: &mut State, mut txn: Vec<MicroOperation>) -> Vec<MicroOperation> {
    state.now.clock += 1;
    for (kind, key, value) in &mut txn {
        match (kind, value) {
            (Kind::Read, value) => *value = state.registers.get(key).map(|it| it.value),
            (Kind::Write, Some(value)) => {
                let written = state.now;
                let value = *value;
                state.registers.insert(*key, Register { written, value });
                for peer in state.peers.values_mut() {
                    peer.unconfirmed.insert(*key);
                }
            }
            (Kind::Write, None) => {}
        }
    }
    txn
}

#[every("100ms")]
async fn replicate(state: &Shared<State>, cx: &Context) {
    for peer in cx.peers() {
        let registers = state.with(|state| state.news_for(peer));
        if !registers.is_empty() {
            cx.spawn(send(state.clone(), cx.clone(), peer.to_owned(), registers));
        }
    }
}

impl State {
    fn news_for(&mut self, peer: &str) -> Registers {
        let Some(peer) = self.peers.get_mut(peer).filter(|peer| !peer.busy) else {
            return Registers::new();
        };
        let keys = peer.unconfirmed.iter().take(BATCH);
        let news: Registers = keys
            .map(|key| (*key, self.registers[key].clone()))
            .collect();
        peer.busy = !news.is_empty();
        news
    }

    fn confirmed(&mut self, peer: &str, run: u64, registers: &Registers) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        if peer.run != run {
            // Another run of it than the one that everything else was confirmed by.
            peer.run = run;
            peer.unconfirmed = self.registers.keys().copied().collect();
        }
        for (key, sent) in registers {
            // Unless it was written again since.
            if self.registers[key].written == sent.written {
                peer.unconfirmed.remove(key);
            }
        }
    }
}

async fn send(state: Shared<State>, cx: Context, peer: String, registers: Registers) {
    let answer = cx
        .rpc(
            &peer,
            Merge {
                registers: registers.clone(),
            },
        )
        .await;
    state.with(|state| {
        if let Ok(run) = answer {
            state.confirmed(&peer, run, &registers);
        }
        if let Some(peer) = state.peers.get_mut(&peer) {
            peer.busy = false;
        }
    });
}

/// Answered with the number of the run that has them now.
#[handler("merge", reply = "run")]
fn merge(state: &mut State, registers: Registers) -> u64 {
    for (key, theirs) in registers {
        state.now.clock = state.now.clock.max(theirs.written.clock);
        let ours = state.registers.entry(key).or_default();
        if ours.written < theirs.written {
            *ours = theirs;
        }
    }
    state.now.run
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/txn_rw_register.rs"]
mod tests;
