//! Challenge 5c, the Kafka-style log on several nodes with few messages.
//!
//! Workbench: cargo glomer test -w kafka --example kafka_efficient --node-count 2 --concurrency 2n --time-limit 20 --rate 1000
//! Maelstrom: maelstrom test -w kafka --bin target/release/examples/kafka_efficient --node-count 2 --concurrency 2n --time-limit 20 --rate 1000
//!
//! Every key has an owner, found by its hash, and every owner has a journal in
//! lin-kv, `<owner>/<number>`, whose segments never change once they are filled.
//! All that is sent to the owner's keys goes into its journal, as many messages in
//! one segment as came while the one before was written. Since only the owner
//! writes there, it never conflicts; but that is for economy alone. A node that
//! does not reach the owner writes its journal itself: a segment can be filled
//! only once, and only by who has read all those before it, so everyone sees the
//! same log whoever writes it. Messages have ids, and none is entered twice, however
//! often it was tried and by whom.
//!
//! Polls are answered from memory. Ten times a second an owner passes its new
//! segments on, and who finds one missing, or hears nothing for a while, reads it
//! in lin-kv. Committed offsets travel with the messages and wait for nobody: they
//! may be behind, which makes a consumer read a message again, and never ahead.
//!
//! A node keeps what it has read of the journals on its disk, and the offsets that
//! were committed with it: one that was killed need not read all of lin-kv again,
//! and has lost no offset that it acknowledged.
//!
//! Messages per `send`, with n nodes: 2 (n-1)/n to its owner, at most 2 to lin-kv,
//! and 10 (n-1) a second and owner for everyone else; none for a poll, and none
//! for a commit that finds a segment to travel in.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::task::{self, Waker};
use std::time::Duration;

use glomer_runtime::{Backoff, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most messages of one key that a poll is answered with.
const BATCH: usize = 100;

/// Where the committed offsets are on the disk; the segments are in logs named
/// after the owners of their journals.
const COMMITTED: &str = "committed";

/// How long a node hears nothing of a journal before it looks in lin-kv.
const SILENCE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    run: u64,
    sent: u64,
    /// By owner.
    journals: BTreeMap<String, Journal>,
    // What the journals say.
    logs: BTreeMap<String, Vec<Value>>,
    offsets: BTreeMap<Id, usize>,
    committed: BTreeMap<String, u64>,
    /// Those who wait for messages to get their offsets.
    waiting: Vec<Waker>,
}

#[derive(Default)]
struct Journal {
    /// How many segments this node has read.
    read: usize,
    /// When it heard of one, or found that there is none.
    heard: Duration,
    catching_up: bool,
    /// What is to go into the journal, and whether something is on its way.
    next: Segment,
    flushing: bool,
    /// What this node has put into the journal, and told nobody yet.
    news: BTreeMap<usize, Segment>,
}

#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Segment {
    messages: BTreeMap<Id, Entry>,
    committed: BTreeMap<String, u64>,
}

type Id = String;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    key: String,
    msg: Value,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) -> Result<(), Error> {
    state.run = cx.rng().next_u64();
    for owner in cx.node_ids() {
        state.journals.insert(owner.clone(), Journal::default());
        for (_, segment) in cx.disk().entries(owner, ..)? {
            state.apply(owner, segment);
        }
    }
    // Some of them are in no segment yet.
    state.commit(cx, cx.disk().load(COMMITTED)?.unwrap_or_default());
    Ok(())
}

#[handler("send", reply = "offset")]
async fn send(state: &Shared<State>, cx: &Context, key: String, msg: Value) -> usize {
    let owner = owner(cx, &key);
    let id = state.with(|state| {
        state.sent += 1;
        let id = format!("{:x}-{}", state.run, state.sent);
        let messages = &mut state.journal(&owner).next.messages;
        messages.insert(id.clone(), Entry { key, msg });
        id
    });
    flush(state, cx, owner);
    offset_of(state, &id).await
}

/// What another node has for a journal of this one's, answered with the offsets.
#[handler("enter", reply = "offsets")]
async fn enter(state: &Shared<State>, cx: &Context, segment: Segment) -> BTreeMap<Id, usize> {
    let ids: Vec<Id> = segment.messages.keys().cloned().collect();
    let owner = cx.node_id().to_owned();
    state.with(|state| state.journal(&owner).next.add(segment));
    flush(state, cx, owner);
    let mut offsets = BTreeMap::new();
    for id in ids {
        let offset = offset_of(state, &id).await;
        offsets.insert(id, offset);
    }
    offsets
}

/// News of a journal, by the numbers of the segments.
#[handler("news")]
async fn news(
    state: &Shared<State>,
    cx: &Context,
    owner: String,
    segments: BTreeMap<usize, Segment>,
) {
    let complete = state.with(|state| {
        state.journal(&owner).heard = cx.now();
        let last = segments.keys().next_back().copied();
        for (number, segment) in segments {
            state.take(cx, &owner, number, segment);
        }
        last < Some(state.journal(&owner).read)
    });
    if !complete {
        catch_up(state, cx, owner);
    }
}

#[handler("poll", reply = "msgs")]
async fn poll(
    state: &Shared<State>,
    cx: &Context,
    offsets: BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<(usize, Value)>> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        let owner = owner(cx, &key);
        let heard = state.with(|state| {
            if let Some(log) = state.logs.get(&key) {
                let found = log.iter().enumerate().skip(from).take(BATCH);
                msgs.insert(key, found.map(|(at, msg)| (at, msg.clone())).collect());
            }
            state.journal(&owner).heard
        });
        if heard + SILENCE <= cx.now() {
            catch_up(state, cx, owner);
        }
    }
    msgs
}

/// Consumers have done with everything up to these offsets.
#[handler("commit_offsets")]
fn commit_offsets(state: &mut State, cx: &Context, offsets: BTreeMap<String, u64>) {
    state.commit(cx, offsets);
    cx.disk().put(COMMITTED, &state.committed);
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

/// Passes on what is new, and brings commits on their way that found no message
/// to travel with.
#[every("100ms")]
async fn pass_on(state: &Shared<State>, cx: &Context) {
    for owner in cx.node_ids() {
        let segments = state.with(|state| mem::take(&mut state.journal(owner).news));
        if !segments.is_empty() {
            for peer in cx.peers() {
                let (owner, segments) = (owner.clone(), segments.clone());
                cx.send(peer, News { owner, segments });
            }
        }
        flush(state, cx, owner.clone());
    }
}

impl State {
    fn journal(&mut self, owner: &str) -> &mut Journal {
        self.journals.entry(owner.to_owned()).or_default()
    }

    /// Takes in the next segment of a journal; any other does nothing.
    fn take(&mut self, cx: &Context, owner: &str, number: usize, segment: Segment) {
        if self.journal(owner).read == number {
            cx.disk().append(owner, &segment);
            self.apply(owner, segment);
            self.waiting.drain(..).for_each(Waker::wake);
        }
    }

    fn apply(&mut self, owner: &str, segment: Segment) {
        self.journal(owner).read += 1;
        for (id, Entry { key, msg }) in segment.messages {
            let log = self.logs.entry(key).or_default();
            self.offsets.insert(id, log.len());
            log.push(msg);
        }
        for (key, offset) in segment.committed {
            raise(&mut self.committed, &key, offset);
        }
    }

    /// Takes in offsets, and has those that are new travel.
    fn commit(&mut self, cx: &Context, offsets: BTreeMap<String, u64>) {
        for (key, offset) in offsets {
            if raise(&mut self.committed, &key, offset) {
                let owner = owner(cx, &key);
                raise(&mut self.journal(&owner).next.committed, &key, offset);
            }
        }
    }
}

impl Segment {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.committed.is_empty()
    }

    fn add(&mut self, other: Segment) {
        self.messages.extend(other.messages);
        for (key, offset) in other.committed {
            raise(&mut self.committed, &key, offset);
        }
    }
}

/// Whether it was lower.
fn raise(committed: &mut BTreeMap<String, u64>, key: &str, offset: u64) -> bool {
    let is_new = committed
        .get(key)
        .is_none_or(|committed| *committed < offset);
    if is_new {
        committed.insert(key.to_owned(), offset);
    }
    is_new
}

fn owner(cx: &Context, key: &str) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let nodes = cx.node_ids();
    nodes[(hasher.finish() % nodes.len() as u64) as usize].clone()
}

async fn offset_of(state: &Shared<State>, id: &str) -> usize {
    poll_fn(|cx| {
        state.with(|state| match state.offsets.get(id) {
            Some(offset) => task::Poll::Ready(*offset),
            None => {
                state.waiting.push(cx.waker().clone());
                task::Poll::Pending
            }
        })
    })
    .await
}

/// Sees to it that what gathers for a journal gets into it.
fn flush(state: &Shared<State>, cx: &Context, owner: String) {
    let begin = state.with(|state| {
        let Journal { next, flushing, .. } = state.journal(&owner);
        !next.is_empty() && !mem::replace(flushing, true)
    });
    if !begin {
        return;
    }
    let (state, cx) = (state.clone(), cx.clone());
    cx.clone().spawn(async move {
        loop {
            let segment = state.with(|state| mem::take(&mut state.journal(&owner).next));
            if segment.is_empty() {
                return state.with(|state| state.journal(&owner).flushing = false);
            }
            if owner != cx.node_id()
                && let Ok(offsets) = cx
                    .rpc(
                        &owner,
                        Enter {
                            segment: segment.clone(),
                        },
                    )
                    .await
            {
                state.with(|state| {
                    state.offsets.extend(offsets);
                    state.waiting.drain(..).for_each(Waker::wake);
                });
            } else {
                fill(&state, &cx, &owner, segment).await;
            }
        }
    });
}

/// Puts a segment at the end of a journal.
async fn fill(state: &Shared<State>, cx: &Context, owner: &str, mut segment: Segment) {
    let kv = cx.lin_kv();
    loop {
        let number = state.with(|state| {
            // An earlier try may have got into the journal, by whatever way.
            segment
                .messages
                .retain(|id, _| !state.offsets.contains_key(id));
            state.journal(owner).read
        });
        if segment.is_empty() {
            return;
        }
        let name = format!("{owner}/{number}");
        // From the segment's own content, so that a second try finds its first.
        let fill = || kv.cas_or_create(&name, &segment, &segment);
        if cx.retry(Backoff::default(), fill).await.is_ok() {
            return state.with(|state| {
                state.take(cx, owner, number, segment.clone());
                let journal = state.journal(owner);
                journal.heard = cx.now();
                journal.news.insert(number, segment);
            });
        }
        read_segment(state, cx, owner, number).await;
    }
}

/// Reads what others have put into a journal.
fn catch_up(state: &Shared<State>, cx: &Context, owner: String) {
    let reading = state.with(|state| mem::replace(&mut state.journal(&owner).catching_up, true));
    if reading {
        return;
    }
    let (state, cx) = (state.clone(), cx.clone());
    cx.clone().spawn(async move {
        loop {
            let number = state.with(|state| state.journal(&owner).read);
            if !read_segment(&state, &cx, &owner, number).await {
                return state.with(|state| {
                    let journal = state.journal(&owner);
                    journal.heard = cx.now();
                    journal.catching_up = false;
                });
            }
        }
    });
}

/// Reads one segment, and says whether it is there.
async fn read_segment(state: &Shared<State>, cx: &Context, owner: &str, number: usize) -> bool {
    let kv = cx.lin_kv();
    let name = format!("{owner}/{number}");
    let read = || kv.read_or(&name, None);
    // It tries until it succeeds.
    let segment: Option<Segment> = cx.retry(Backoff::default(), read).await.unwrap_or(None);
    let found = segment.is_some();
    state.with(|state| segment.map(|segment| state.take(cx, owner, number, segment)));
    found
}

fn main() -> std::process::ExitCode {
    glomer_runtime::Stdio::new().disk_or_memory().run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/kafka_efficient.rs"]
mod tests;
