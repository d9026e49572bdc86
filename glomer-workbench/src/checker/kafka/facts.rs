//! What the transactions together say about each message: who sent it and who polled it.

use std::collections::{HashMap, HashSet};

use crate::history::OpType;

use super::transaction::{Event, Id, Transaction};

/// A key and a message.
pub(super) type KeyValue = (Id, Id);

/// Events are places in the list of events.
#[derive(Default)]
pub(super) struct Facts {
    /// Who tried to send a message: of several, the one that ended last.
    pub(super) sender: HashMap<KeyValue, usize>,
    /// Everyone who polled it, whatever became of the transaction, in the order they ended.
    pub(super) pollers: HashMap<KeyValue, Vec<usize>>,
    /// What polls returned that ended well.
    polled: HashSet<KeyValue>,
    /// What is known not to have been sent.
    pub(super) failed: HashSet<KeyValue>,
}

impl Facts {
    pub(super) fn of(events: &[Event<'_>]) -> Self {
        let mut facts = Self::default();
        for (place, event) in events.iter().enumerate() {
            let Some(transaction) = event.transaction() else {
                continue;
            };
            for (key, messages) in &transaction.sends {
                for message in messages {
                    facts.sender.insert((*key, message.value), place);
                    if event.end == OpType::Fail {
                        facts.failed.insert((*key, message.value));
                    }
                }
            }
            for (key, messages) in &transaction.polls {
                for message in messages {
                    let message = (*key, message.value);
                    facts.pollers.entry(message).or_default().push(place);
                    if event.end == OpType::Ok {
                        facts.polled.insert(message);
                    }
                }
            }
        }
        facts
    }

    pub(super) fn was_polled(&self, message: KeyValue) -> bool {
        self.polled.contains(&message)
    }

    /// The keys of which polls that ended well returned messages, in any order and repeated.
    pub(super) fn polled_keys(&self) -> impl Iterator<Item = Id> {
        self.polled.iter().map(|(key, _)| *key)
    }

    /// Whether what a transaction sent must be in the logs: it ended well, or nobody knows how it
    /// ended but something of it was polled.
    pub(super) fn must_have_committed(&self, event: &Event<'_>, transaction: &Transaction) -> bool {
        match event.end {
            OpType::Ok => true,
            OpType::Info | OpType::Invoke => transaction.sends.iter().any(|(key, messages)| {
                messages
                    .iter()
                    .any(|message| self.was_polled((*key, message.value)))
            }),
            OpType::Fail => false,
        }
    }
}
