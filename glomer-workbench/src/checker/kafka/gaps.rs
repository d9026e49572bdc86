//! Polls and sends against the order of the logs: what was skipped, and what went backwards.

use std::collections::HashMap;

use crate::edn::Edn;
use crate::history::OpType;

use super::log::Log;
use super::transaction::{Event, Id, Message, Names, What};

/// Two messages of a key, one polled or sent after the other, which are not neighbours in its
/// log.
pub(super) struct Gap {
    key: Id,
    values: [Option<Id>; 2],
    /// How far the second is from the first, more than 1 if messages were skipped, less if it
    /// went backwards or stood still.
    pub(super) delta: i64,
    skipped: Vec<Id>,
    /// The transactions of the two, one if it is the same, as places in the events.
    events: Vec<usize>,
}

#[derive(Default)]
pub(super) struct Gaps {
    pub(super) skips: Vec<Gap>,
    pub(super) nonmonotonic: Vec<Gap>,
}

impl Gaps {
    fn compare(&mut self, log: Option<&Log>, key: Id, values: [Option<Id>; 2], events: &[usize]) {
        let Some(log) = log else { return };
        let delta = log.distance(values[0], values[1]);
        let gaps = match delta {
            1 => return,
            2.. => &mut self.skips,
            _ => &mut self.nonmonotonic,
        };
        gaps.push(Gap {
            key,
            values,
            delta,
            skipped: log.between(values[0], values[1]).to_vec(),
            events: events.to_vec(),
        });
    }
}

impl Gap {
    /// The gap within one transaction, as Jepsen shows it.
    pub(super) fn internal(&self, names: &Names<'_>, events: &[Event<'_>]) -> Edn {
        let mut map = Edn::map([
            ("key", names.edn(self.key)),
            ("values", self.values(names)),
            ("delta", self.delta.into()),
        ]);
        if self.delta > 1 {
            map.insert("skipped", self.skipped(names));
        }
        map.insert("op", events[self.events[0]].shown());
        map
    }

    /// The gap between two transactions, as Jepsen shows it.
    pub(super) fn external(&self, names: &Names<'_>, events: &[Event<'_>]) -> Edn {
        let mut map = Edn::map([("key", names.edn(self.key))]);
        if self.delta > 1 {
            map.insert("delta", self.delta.into());
            map.insert("skipped", self.skipped(names));
        } else {
            map.insert("values", self.values(names));
            map.insert("delta", self.delta.into());
        }
        let ops = self.events.iter().map(|&event| events[event].shown());
        map.insert("ops", Edn::vector(ops));
        map
    }

    fn values(&self, names: &Names<'_>) -> Edn {
        Edn::vector(self.values.map(|value| value.map(|value| names.edn(value))))
    }

    fn skipped(&self, names: &Names<'_>) -> Edn {
        Edn::list(self.skipped.iter().map(|&value| names.edn(value)))
    }
}

/// Which side of the transactions to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Polls,
    Sends,
}

impl Side {
    fn of<'e>(self, event: &'e Event<'_>) -> &'e [(Id, Vec<Message>)] {
        match (&event.what, self) {
            (What::Transaction(transaction), Self::Polls) => &transaction.polls,
            (What::Transaction(transaction), Self::Sends) => &transaction.sends,
            (What::Assign(_), _) => &[],
        }
    }
}

type Logs<'l> = HashMap<Id, &'l Log>;

/// Compares each message with the one before it in the same transaction. Keys that were
/// reassigned during a poll are left out.
pub(super) fn internal(
    side: Side,
    events: &[Event<'_>],
    logs: &Logs<'_>,
    names: &Names<'_>,
) -> Gaps {
    let mut gaps = Gaps::default();
    for (place, event) in events.iter().enumerate() {
        for (key, messages) in side.of(event) {
            if side == Side::Polls && event.rebalanced.contains(names.value(*key)) {
                continue;
            }
            for pair in messages.windows(2) {
                let values = [Some(pair[0].value), Some(pair[1].value)];
                gaps.compare(logs.get(key).copied(), *key, values, &[place]);
            }
        }
    }
    gaps
}

/// Compares the first message of each key in a transaction with the last one in the transaction
/// of the same process that had the key before, unless the process was assigned other keys in
/// between. Of a transaction that polled a key and got nothing the last message is unknown, so
/// nothing is said about the next. Polls that failed count as far as their own messages go, but
/// not for what follows; sends that failed do not count at all.
pub(super) fn external(side: Side, events: &[Event<'_>], logs: &Logs<'_>) -> Gaps {
    let mut processes: Vec<Vec<usize>> = Vec::new();
    let mut numbers = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        let number = *numbers.entry(event.process).or_insert_with(|| {
            processes.push(Vec::new());
            processes.len() - 1
        });
        processes[number].push(place);
    }
    let mut gaps = Gaps::default();
    for places in &processes {
        // The last transaction with each key and the last message it had of it.
        let mut last: HashMap<Id, (usize, Option<Id>)> = HashMap::new();
        for &place in places {
            let event = &events[place];
            let counts = match side {
                Side::Polls => event.end == OpType::Ok,
                Side::Sends => matches!(event.end, OpType::Ok | OpType::Info),
            };
            if let What::Assign(keys) = &event.what
                && matches!(event.end, OpType::Ok | OpType::Info)
            {
                last.retain(|key, _| keys.contains(key));
            }
            if side == Side::Sends && !counts {
                continue;
            }
            for (key, messages) in side.of(event) {
                if let Some((before, value)) = last.get(key) {
                    let values = [*value, messages.first().map(|message| message.value)];
                    gaps.compare(logs.get(key).copied(), *key, values, &[*before, place]);
                }
            }
            if counts {
                for (key, messages) in side.of(event) {
                    last.insert(*key, (place, messages.last().map(|message| message.value)));
                }
            }
        }
    }
    gaps
}
