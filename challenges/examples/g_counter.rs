//! Challenge 4, a grow-only counter on seq-kv.
//!
//! Workbench: cargo glomer test -w g-counter --example g_counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//! Maelstrom: maelstrom test -w g-counter --bin target/release/examples/g_counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//!
//! Every node has a key of its own in the store, its name, and there the total
//! that it was told to add; the counter is the sum over the nodes. Only the node
//! itself writes its key, so nobody ever conflicts. It writes by compare-and-set
//! from an entry to one with a greater version, so whatever the network repeats
//! or delivers late does nothing, and trying again is safe.
//!
//! seq-kv may answer from the past, but never from before what the same client
//! has written. So a read of the counter first writes this node's entry, with a
//! new version even if the total is the same, and then reads the others'.
//!
//! One round of this serves all who wait: while it is under way, requests gather
//! for the next. An `add` is acknowledged once it is in the store, so it outlives
//! its node. A read that comes soon after a round that read costs nothing.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem;
use std::task::{Poll, Waker};
use std::time::Duration;

use glomer_runtime::{Backoff, prelude::*};
use serde::{Deserialize, Serialize};

/// How old the answer to a read may be.
const RECENT: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    /// Tells this run of the node from earlier ones.
    run: u64,
    /// The node's entry in the store.
    own: Entry,
    /// What the other nodes were told to add, as far as it was read.
    others: BTreeMap<String, u64>,
    /// When the round began that read them.
    others_read: Option<Duration>,
    /// Added, and not on its way into the store.
    pending: u64,
    rounds: Rounds,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    total: u64,
    run: u64,
    version: u64,
}

#[derive(Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// What the next one is to do.
    next: Option<Round>,
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Round {
    Write,
    WriteAndRead,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.run = cx.rng().next_u64();
}

#[handler("add")]
async fn add(state: &Shared<State>, cx: &Context, delta: u64) {
    state.with(|state| state.pending = state.pending.saturating_add(delta));
    round(state, cx, Round::Write).await;
}

#[handler("read", reply = "value")]
async fn read(state: &Shared<State>, cx: &Context) -> u64 {
    let read = state.with(|state| state.others_read);
    if read.is_none_or(|read| read + RECENT < cx.now()) {
        round(state, cx, Round::WriteAndRead).await;
    }
    state.with(|state| {
        state
            .others
            .values()
            .fold(state.own.total, |a, b| a.saturating_add(*b))
    })
}

/// Waits for the next round to begin and end.
async fn round(state: &Shared<State>, cx: &Context, wanted: Round) {
    let (number, idle) = state.with(|State { rounds, .. }| {
        let idle = rounds.next.is_none() && rounds.begun == rounds.ended;
        if rounds.next < Some(wanted) {
            rounds.next = Some(wanted);
        }
        (rounds.begun + 1, idle)
    });
    if idle {
        cx.spawn(run_rounds(state.clone(), cx.clone()));
    }
    poll_fn(|task| {
        state.with(|State { rounds, .. }| {
            if rounds.ended >= number {
                Poll::Ready(())
            } else {
                rounds.waiting.push(task.waker().clone());
                Poll::Pending
            }
        })
    })
    .await;
}

async fn run_rounds(state: Shared<State>, cx: Context) {
    while let Some(wanted) = state.with(|state| state.rounds.next.take()) {
        state.with(|state| state.rounds.begun += 1);
        let begun = cx.now();
        write(&state, &cx).await;
        if wanted == Round::WriteAndRead {
            read_others(&state, &cx).await;
            state.with(|state| state.others_read = Some(begun));
        }
        state.with(|State { rounds, .. }| {
            rounds.ended = rounds.begun;
            rounds.waiting.drain(..).for_each(Waker::wake);
        });
    }
}

async fn write(state: &Shared<State>, cx: &Context) {
    let kv = cx.seq_kv();
    let key = cx.node_id();
    let (run, mut from, pending) =
        state.with(|state| (state.run, state.own.clone(), mem::take(&mut state.pending)));
    loop {
        let total = from.total.saturating_add(pending);
        let version = from.version + 1;
        let to = Entry {
            total,
            run,
            version,
        };
        let write = || kv.cas_or_create(key, &from, &to);
        let written = cx.retry(Backoff::default(), write).await.is_ok();
        // If not, an earlier run got there first, or an earlier try of this write.
        let found = if written {
            to.clone()
        } else {
            read_entry(cx, key).await
        };
        if found == to {
            return state.with(|state| state.own = to);
        }
        from = found;
    }
}

async fn read_others(state: &Shared<State>, cx: &Context) {
    let mut reads = Vec::new();
    for peer in cx.peers() {
        reads.push(Box::pin(async move { (peer, read_entry(cx, peer).await) }));
    }
    // All of them side by side.
    poll_fn(|task| {
        reads.retain_mut(|read| match read.as_mut().poll(task) {
            Poll::Ready((peer, entry)) => {
                state.with(|state| state.others.insert(peer.to_owned(), entry.total));
                false
            }
            Poll::Pending => true,
        });
        if reads.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn read_entry(cx: &Context, node: &str) -> Entry {
    let kv = cx.seq_kv();
    let read = || kv.read_or(node, Entry::default());
    // It tries until it succeeds.
    cx.retry(Backoff::default(), read).await.unwrap_or_default()
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/g_counter.rs"]
mod tests;
