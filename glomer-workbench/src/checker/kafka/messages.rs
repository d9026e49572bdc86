//! What became of each message: whether those that were sent were polled, and the other way round.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::edn::Edn;

use super::facts::Facts;
use super::log::Log;
use super::transaction::{Event, Id, Message, Names, ok_transactions, transactions};

/// How many unseen messages of each key the results show.
const UNSEEN_SHOWN: usize = 32;

/// Polls that ended well and returned a message whose send is known to have failed.
pub(super) fn failed_but_polled(
    events: &[Event<'_>],
    facts: &Facts,
    names: &Names<'_>,
) -> Vec<Edn> {
    let mut found = Vec::new();
    for (event, transaction) in ok_transactions(events) {
        for (key, messages) in &transaction.polls {
            for message in messages {
                let message = (*key, message.value);
                if facts.failed.contains(&message) {
                    let writer = facts.sender.get(&message);
                    found.push(Edn::map([
                        ("key", names.edn(message.0)),
                        ("value", names.edn(message.1)),
                        (
                            "writer",
                            writer.map(|&writer| events[writer].shown()).into(),
                        ),
                        ("reader", event.shown()),
                    ]));
                }
            }
        }
    }
    found
}

/// Transactions that polled what they sent themselves, which nobody may see before they commit.
pub(super) fn own_polled(events: &[Event<'_>], names: &Names<'_>) -> Vec<Edn> {
    let mut found = Vec::new();
    for (event, transaction) in transactions(events) {
        let polled: HashSet<(Id, Id)> = transaction
            .polls
            .iter()
            .flat_map(|(key, messages)| messages.iter().map(|message| (*key, message.value)))
            .collect();
        let own = transaction
            .sends
            .iter()
            .flat_map(|(key, messages)| messages.iter().map(|message| (*key, message.value)))
            .find(|message| polled.contains(message));
        if let Some((key, value)) = own {
            found.push(Edn::map([
                ("op", event.shown()),
                ("key", names.edn(key)),
                ("value", names.edn(value)),
            ]));
        }
    }
    found
}

/// Polled messages that nobody tried to send, each with the first to poll it.
pub(super) fn never_sent(events: &[Event<'_>], facts: &Facts, names: &Names<'_>) -> Vec<Edn> {
    let mut unsent: Vec<(usize, (Id, Id))> = facts
        .pollers
        .iter()
        .filter(|(message, _)| !facts.sender.contains_key(message))
        .map(|(message, pollers)| (pollers[0], *message))
        .collect();
    unsent.sort_unstable();
    unsent
        .into_iter()
        .map(|(reader, (key, value))| {
            Edn::map([
                ("key", names.edn(key)),
                ("value", names.edn(value)),
                ("reader", events[reader].shown()),
            ])
        })
        .collect()
}

/// Messages that must be in a log, and before one that a poll returned, but that no poll returned.
pub(super) fn lost(
    events: &[Event<'_>],
    facts: &Facts,
    logs: &[(Id, Log)],
    names: &Names<'_>,
) -> Vec<Edn> {
    let mut found = Vec::new();
    for (key, log) in logs {
        // A message that is at several offsets was surely polled up to its first, and must only
        // have been polled by its last.
        let mut first: HashMap<Id, usize> = HashMap::new();
        let mut last: HashMap<Id, usize> = HashMap::new();
        for (index, values) in log.offsets.values().enumerate() {
            for value in values {
                first.entry(*value).or_insert(index);
                last.insert(*value, index);
            }
        }
        let polled = |value: &Id| facts.was_polled((*key, *value));
        let bound = first.iter().filter(|(value, _)| polled(value));
        let Some(bound) = bound.map(|(_, index)| *index).max() else {
            continue;
        };
        let at_bound = log.offsets.values().nth(bound).and_then(|values| {
            let reader = |value: &Id| facts.pollers.get(&(*key, *value))?.first().copied();
            values.iter().find_map(reader)
        });
        let mut expected: Vec<(usize, Id)> = last
            .into_iter()
            .filter(|(value, index)| *index <= bound && !polled(value))
            .map(|(value, index)| (index, value))
            .collect();
        expected.sort_unstable();
        for (_, value) in expected {
            let Some(&writer) = facts.sender.get(&(*key, value)) else {
                continue;
            };
            let writer = &events[writer];
            let committed = writer
                .transaction()
                .is_some_and(|transaction| facts.must_have_committed(writer, transaction));
            if committed {
                found.push(Edn::map([
                    ("key", names.edn(*key)),
                    ("value", names.edn(value)),
                    ("index", first[&value].into()),
                    ("max-read-index", bound.into()),
                    ("writer", writer.shown()),
                    (
                        "max-read",
                        at_bound.map(|reader| events[reader].shown()).into(),
                    ),
                ]));
            }
        }
    }
    found
}

/// Acknowledged messages that no poll had returned by the end, if there are any.
///
/// Jepsen also counts what the last transaction polled of a key that no other had to do with, of
/// those that ended well: its `merge` keeps such a key whole until the next one.
pub(super) fn unseen(events: &[Event<'_>], names: &Names<'_>) -> Option<Edn> {
    let mut sent: BTreeMap<&Edn, BTreeSet<&Edn>> = BTreeMap::new();
    let mut polled: HashSet<(Id, Id)> = HashSet::new();
    for (_, transaction) in ok_transactions(events) {
        for (key, messages) in &transaction.polls {
            polled.extend(messages.iter().map(|message| (*key, message.value)));
        }
    }
    let mut time = Duration::ZERO;
    let mut touched: HashSet<Id> = HashSet::new();
    let mut first_polled: Vec<&(Id, Vec<Message>)> = Vec::new();
    for (event, transaction) in ok_transactions(events) {
        time = event.at().time;
        touched.extend(transaction.sends.iter().map(|(key, _)| *key));
        first_polled = transaction.polls.iter().collect();
        first_polled.retain(|(key, _)| touched.insert(*key));
        for (key, messages) in &transaction.sends {
            for message in messages {
                if !polled.contains(&(*key, message.value)) {
                    let unseen = sent.entry(names.value(*key)).or_default();
                    unseen.insert(names.value(message.value));
                }
            }
        }
    }
    for (key, messages) in first_polled {
        for message in messages {
            let unseen = sent.entry(names.value(*key)).or_default();
            unseen.insert(names.value(message.value));
        }
    }
    if sent.is_empty() {
        return None;
    }
    let by_key = |show: fn(&BTreeSet<&Edn>) -> Edn| {
        let entries = sent
            .iter()
            .map(|(key, messages)| ((*key).clone(), show(messages)));
        Edn::Map(entries.collect())
    };
    let some = |messages: &BTreeSet<&Edn>| {
        Edn::list(
            messages
                .iter()
                .take(UNSEEN_SHOWN)
                .map(|message| (*message).clone()),
        )
    };
    Some(Edn::map([
        ("time", (time.as_nanos() as i64).into()),
        ("unseen", by_key(|messages| messages.len().into())),
        ("messages", by_key(some)),
    ]))
}
