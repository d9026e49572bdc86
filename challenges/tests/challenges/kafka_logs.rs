//! What all Kafka-style logs have to keep, whatever happens.

use super::faults::{Fault, Faults};
use glomer_runtime::Rng;
use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Cluster, Latency, Operation, check, ms, secs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is promised of committed offsets.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Commits {
    /// Whoever asks after the acknowledgement gets them.
    AtOnce,
    /// Everyone gets them after the faults.
    InTheEnd,
    /// Nobody gets one that was not committed.
    NeverAhead,
}

#[derive(Serialize, Deserialize)]
struct Send {
    key: String,
    msg: u64,
}

impl Message for Send {
    const TYPE: &'static str = "send";
    const REPLY_FIELD: Option<&'static str> = Some("offset");
    type Reply = u64;
}

#[derive(Serialize, Deserialize)]
struct Poll {
    offsets: BTreeMap<String, u64>,
}

impl Message for Poll {
    const TYPE: &'static str = "poll";
    const REPLY_FIELD: Option<&'static str> = Some("msgs");
    type Reply = BTreeMap<String, Vec<(u64, u64)>>;
}

#[derive(Serialize, Deserialize)]
struct CommitOffsets {
    offsets: BTreeMap<String, u64>,
}

impl Message for CommitOffsets {
    const TYPE: &'static str = "commit_offsets";
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
struct ListCommittedOffsets {
    keys: Vec<String>,
}

impl Message for ListCommittedOffsets {
    const TYPE: &'static str = "list_committed_offsets";
    const REPLY_FIELD: Option<&'static str> = Some("offsets");
    type Reply = BTreeMap<String, u64>;
}

const KEYS: u64 = 4;

/// All that anyone saw of the logs.
#[derive(Default)]
struct Seen {
    messages: BTreeMap<(String, u64), u64>,
    places: BTreeMap<u64, (String, u64)>,
}

impl Seen {
    fn see(&mut self, key: &str, offset: u64, msg: u64) {
        let place = (key.to_owned(), offset);
        let there = *self.messages.entry(place.clone()).or_insert(msg);
        assert_eq!(there, msg, "two messages at {place:?}");
        let known = self.places.entry(msg).or_insert(place.clone());
        assert_eq!(*known, place, "message {msg} in two places");
    }

    /// Nobody may miss a message between the offset that was asked for and the
    /// last one that came.
    fn check_poll(&self, key: &str, from: u64, found: &[(u64, u64)]) {
        let offsets: Vec<u64> = found.iter().map(|(offset, _)| *offset).collect();
        assert!(
            offsets.is_sorted_by(|a, b| a < b),
            "{key}: out of order: {offsets:?}"
        );
        if let (Some(first), Some(last)) = (offsets.first(), offsets.last()) {
            assert!(from <= *first, "{key}: asked from {from}, got {offsets:?}");
            let range = (key.to_owned(), from)..=(key.to_owned(), *last);
            for ((_, offset), _) in self.messages.range(range) {
                assert!(
                    offsets.contains(offset),
                    "{key}: {offset} skipped in {offsets:?}"
                );
            }
        }
    }
}

/// Sends, polls and commits under faults, and then polls everything on every node.
pub(super) fn check_logs<S: Default + 'static>(
    nodes: usize,
    kinds: &'static [Fault],
    commits: Commits,
) {
    check(0..50, |seed| {
        let mut cluster = Cluster::<S>::new(nodes)
            .seed(seed)
            .latency(Latency::exponential(ms(10)))
            .start();
        let mut faults = Faults::new(seed, kinds);
        let rng = Rng::seeded(seed);
        for msg in 0..250 {
            faults.stir(&mut cluster);
            let node = faults.node(&cluster);
            let key = format!("k{}", rng.below(KEYS));
            let offset = rng.below(20);
            let offsets = BTreeMap::from([(key.clone(), offset)]);
            match rng.below(10) {
                0..5 => _ = cluster.invoke(&node, Send { key, msg }),
                5..8 => _ = cluster.invoke(&node, Poll { offsets }),
                8 => _ = cluster.invoke(&node, CommitOffsets { offsets }),
                _ => _ = cluster.invoke(&node, ListCommittedOffsets { keys: vec![key] }),
            }
            cluster.run_for(ms(rng.below(30)));
        }
        faults.end(&mut cluster);
        cluster.run_for(secs(10));

        let names: Vec<String> = cluster.nodes().map(str::to_owned).collect();
        let keys: Vec<String> = (0..KEYS).map(|key| format!("k{key}")).collect();
        let mut found = BTreeMap::new();
        for node in names {
            // The first poll may be answered with what the node knew before.
            poll_all(&mut cluster, &node, &keys);
            cluster.run_for(secs(2));
            found.insert(node.clone(), poll_all(&mut cluster, &node, &keys));
            let keys = keys.clone();
            cluster.call(&node, ListCommittedOffsets { keys }).unwrap();
        }
        let sent = check_messages(cluster.history());
        for (node, found) in found {
            let lost: Vec<_> = sent.difference(&found).collect();
            assert!(
                lost.is_empty(),
                "acknowledged, and not to be found on {node}: {lost:?}"
            );
        }
        check_commits(cluster.history(), commits);
    });
}

/// Every message that polls bring, from the beginning of every log to its end.
fn poll_all<S: 'static>(cluster: &mut Cluster<S>, node: &str, keys: &[String]) -> BTreeSet<u64> {
    let mut offsets: BTreeMap<String, u64> = keys.iter().map(|key| (key.clone(), 0)).collect();
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        let poll = Poll {
            offsets: offsets.clone(),
        };
        for (key, messages) in cluster.call(node, poll).unwrap() {
            for (offset, msg) in messages {
                found.insert(msg);
                offsets.insert(key.clone(), offset + 1);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The requests of a type with what was answered.
fn answered<M>(history: &[Operation]) -> impl Iterator<Item = (&Operation, M, M::Reply)>
where
    M: Message<Reply: DeserializeOwned> + DeserializeOwned,
{
    history.iter().filter_map(|operation| {
        let reply = operation.reply::<M>()?.ok()?;
        Some((operation, operation.request::<M>()?, reply))
    })
}

/// Checks everything that clients were told of messages, and returns those whose
/// sending was acknowledged.
fn check_messages(history: &[Operation]) -> BTreeSet<u64> {
    let mut seen = Seen::default();
    let mut sent = BTreeSet::new();
    for (_, Send { key, msg }, offset) in answered(history) {
        seen.see(&key, offset, msg);
        sent.insert(msg);
    }
    let polls: Vec<(_, Poll, _)> = answered(history).collect();
    for (key, messages) in polls.iter().flat_map(|(_, _, found)| found) {
        for (offset, msg) in messages {
            seen.see(key, *offset, *msg);
        }
    }
    for (_, Poll { offsets }, found) in &polls {
        for (key, messages) in found {
            seen.check_poll(key, offsets[key], messages);
        }
    }
    sent
}

fn check_commits(history: &[Operation], promised: Commits) {
    let acknowledged: Vec<(_, CommitOffsets, _)> = answered(history).collect();
    let attempted = history
        .iter()
        .filter_map(|it| Some((it, it.request::<CommitOffsets>()?)));
    let attempted: Vec<_> = attempted.collect();
    for (list, _, listed) in answered::<ListCommittedOffsets>(history) {
        for key in (0..KEYS).map(|key| format!("k{key}")) {
            let in_time = |commit: &Operation| match promised {
                Commits::AtOnce => commit.completed < Some(list.invoked),
                Commits::InTheEnd => commit.completed < list.invoked.checked_sub(secs(10)),
                Commits::NeverAhead => false,
            };
            let least = acknowledged.iter().filter(|(commit, ..)| in_time(commit));
            let least = least
                .filter_map(|(_, commit, ())| commit.offsets.get(&key))
                .max();
            let most = attempted
                .iter()
                .filter(|(commit, _)| Some(commit.invoked) <= list.completed);
            let most = most
                .filter_map(|(_, commit)| commit.offsets.get(&key))
                .max();
            if let Some(listed) = listed.get(&key) {
                let ahead = Some(listed) > most;
                assert!(
                    !ahead,
                    "{key}: {listed:?} listed, {most:?} committed at most"
                );
            }
            let asked = list.request.contains(&format!("{key:?}"));
            let behind = asked && listed.get(&key) < least;
            assert!(
                !behind,
                "{key}: {least:?} was committed, and listed was only {listed:?}"
            );
        }
    }
}
