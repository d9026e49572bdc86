//! The order of each key's messages, as far as offsets tell it.

use std::collections::{BTreeMap, HashMap};

use crate::edn::Edn;

use super::facts::Facts;
use super::transaction::{Event, Id, Message, Names, transactions};

/// A key's log.
///
/// Offsets may have gaps; an *index* is a place in the log without them.
#[derive(Default)]
pub(super) struct Log {
    /// The messages seen at each offset: one, unless the nodes disagree.
    pub(super) offsets: BTreeMap<i64, Vec<Id>>,
    /// One message for each index.
    pub(super) by_index: Vec<Id>,
    /// The index of each of these messages, the last one if it has several.
    pub(super) by_value: HashMap<Id, usize>,
}

/// The logs of all keys, in order of the keys.
///
/// Polls are always believed, sends only if their effects must have been visible: pollers are
/// never supposed to see what was not committed. A log begins at offset 0: what is said to be
/// before that has no place in it.
pub(super) fn logs(events: &[Event<'_>], facts: &Facts, names: &Names<'_>) -> Vec<(Id, Log)> {
    let mut places: HashMap<Id, usize> = HashMap::new();
    let mut logs: Vec<(Id, Log)> = Vec::new();
    let mut note = |key: Id, message: &Message| {
        let Some(offset) = message.offset.filter(|offset| *offset >= 0) else {
            return;
        };
        let place = *places.entry(key).or_insert_with(|| {
            logs.push((key, Log::default()));
            logs.len() - 1
        });
        let at = logs[place].1.offsets.entry(offset).or_default();
        if !at.contains(&message.value) {
            at.push(message.value);
        }
    };
    for (event, transaction) in transactions(events) {
        let committed = facts.must_have_committed(event, transaction);
        let sends = transaction.sends.iter().filter(|_| committed);
        for (key, messages) in sends.chain(&transaction.polls) {
            messages.iter().for_each(|message| note(*key, message));
        }
    }
    logs.sort_by_key(|(key, _)| names.value(*key));
    for (_, log) in &mut logs {
        for (index, values) in log.offsets.values().enumerate() {
            log.by_index.push(values[0]);
            log.by_value.insert(values[0], index);
        }
    }
    logs
}

impl Log {
    /// How far apart two messages are in the log: 1 if the second comes right after the first, or
    /// if the place of one is unknown.
    pub(super) fn distance(&self, first: Option<Id>, second: Option<Id>) -> i64 {
        match (self.index(first), self.index(second)) {
            (Some(first), Some(second)) => second as i64 - first as i64,
            _ => 1,
        }
    }

    /// The messages between two that are in the log, in order.
    pub(super) fn between(&self, first: Option<Id>, second: Option<Id>) -> &[Id] {
        match (self.index(first), self.index(second)) {
            (Some(first), Some(second)) if first < second => &self.by_index[first + 1..second],
            _ => &[],
        }
    }

    fn index(&self, value: Option<Id>) -> Option<usize> {
        self.by_value.get(&value?).copied()
    }
}

/// Offsets at which different messages were seen, each with how many.
pub(super) fn inconsistent(logs: &[(Id, Log)], names: &Names<'_>) -> Vec<(usize, Edn)> {
    let mut found = Vec::new();
    for (key, log) in logs {
        for (index, (offset, values)) in log.offsets.iter().enumerate() {
            if values.len() > 1 {
                let mut shown: Vec<Edn> = values.iter().map(|value| names.edn(*value)).collect();
                shown.sort();
                let error = Edn::map([
                    ("key", names.edn(*key)),
                    ("offset", (*offset).into()),
                    ("index", index.into()),
                    ("values", Edn::Set(shown)),
                ]);
                found.push((values.len(), error));
            }
        }
    }
    found
}

/// Messages that were seen at several offsets, each with at how many.
pub(super) fn duplicates(logs: &[(Id, Log)], names: &Names<'_>) -> Vec<(usize, Edn)> {
    let mut found = Vec::new();
    for (key, log) in logs {
        let mut offsets: BTreeMap<Id, Vec<i64>> = BTreeMap::new();
        for (offset, values) in &log.offsets {
            for value in values {
                offsets.entry(*value).or_default().push(*offset);
            }
        }
        for (value, offsets) in offsets {
            if offsets.len() > 1 {
                let error = Edn::map([
                    ("key", names.edn(*key)),
                    ("value", names.edn(value)),
                    ("count", offsets.len().into()),
                    ("offsets", Edn::vector(offsets.iter().copied())),
                ]);
                found.push((offsets.len(), error));
            }
        }
    }
    found
}
