//! What the carriers' journals say together.

use std::collections::HashMap;
use std::sync::Arc;

use glomer_runtime::sim::Dropped;
use glomer_workbench::run::journal::{EventKind, NetEvent, involves_client};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::control::{Drop, Entry, Event};

/// What a message is known by: who sent it, and the sender's clock then.
type Known = (Arc<str>, u64);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    src: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    dest: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The events of the network between nodes and services, in an order in which no message arrives
/// before it was sent: that of the Lamport clocks. `zero` is the beginning of time, in
/// nanoseconds since 1970.
///
/// The clocks of machines differ. Where one says that something happened before its cause, it
/// gets the time of its cause.
///
/// What clients ask and are answered is left out: they know it themselves. Services keep no
/// journal. What they were sent is taken to have arrived at once, and what they sent to have been
/// sent when it arrived.
pub(super) fn merged(journals: Vec<Vec<Entry>>, zero: i64) -> Vec<NetEvent> {
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for (node, journal) in journals.into_iter().enumerate() {
        entries.extend(journal.into_iter().map(|entry| (node, entry)));
    }
    // What has the same clock is not one another's cause. The sort is stable: within a journal,
    // the order is the journal's.
    entries.sort_by_key(|(node, entry)| (entry.clock, *node));
    let mut merging = Merging {
        names: HashMap::new(),
        sent: HashMap::new(),
        latest: HashMap::new(),
        numbers: 0,
        events: Vec::new(),
    };
    for (node, entry) in entries {
        let time = i64::try_from(entry.at).unwrap_or(i64::MAX) - zero;
        merging.add(node, time, &entry);
    }
    merging.events
}

struct Merging {
    names: HashMap<String, Arc<str>>,
    /// The number of each message that was sent, and when.
    sent: HashMap<Known, (u64, i64)>,
    /// The time of the last entry of each node.
    latest: HashMap<usize, i64>,
    numbers: u64,
    events: Vec<NetEvent>,
}

impl Merging {
    fn name(&mut self, name: &str) -> Arc<str> {
        let known = self.names.entry(name.to_owned());
        known.or_insert_with(|| name.into()).clone()
    }

    fn add(&mut self, node: usize, time: i64, entry: &Entry) {
        let Ok(message) = serde_json::from_str::<Message<'_>>(entry.message.get()) else {
            return;
        };
        // The names of carriers' own clients begin as those of the workbench do.
        if involves_client(&message.src, &message.dest) {
            return;
        }
        let (src, dest) = (self.name(&message.src), self.name(&message.dest));
        let body: Arc<str> = message.body.get().into();
        let latest = self.latest.get(&node).copied().unwrap_or(i64::MIN);
        let time = time.max(latest);
        let event = |time, kind, id| NetEvent {
            time,
            kind,
            id,
            src: src.clone(),
            dest: dest.clone(),
            body: body.clone(),
        };
        let sent = match entry.event {
            Event::Sent => None,
            Event::Received { sent } | Event::Dropped { sent, .. } => sent,
        };
        let sending = sent.and_then(|clock| self.sent.get(&(src.clone(), clock)).copied());
        let (number, sent_at) = sending.unwrap_or_else(|| {
            let number = self.numbers;
            self.numbers += 1;
            self.events.push(event(time, EventKind::Send, number));
            (number, time)
        });
        let time = time.max(sent_at);
        let end = match entry.event {
            Event::Sent => {
                self.sent.insert((src.clone(), entry.clock), (number, time));
                let is_service = crate::services::NAMES.contains(&&*dest);
                is_service.then_some(EventKind::Recv)
            }
            Event::Received { .. } => Some(EventKind::Recv),
            Event::Dropped { why, .. } => Some(EventKind::Drop(dropped(why))),
        };
        self.events
            .extend(end.map(|kind| event(time, kind, number)));
        self.latest.insert(node, time);
    }
}

fn dropped(why: Drop) -> Dropped {
    match why {
        Drop::Cut => Dropped::Partition,
        Drop::Down => Dropped::Down,
        Drop::Loss | Drop::Unread | Drop::Disconnected | Drop::TooLong | Drop::Invalid => {
            Dropped::Loss
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(clock: u64, at: u64, event: Event, message: &str) -> Entry {
        Entry {
            clock,
            at,
            event,
            message: RawValue::from_string(message.to_owned()).unwrap(),
        }
    }

    /// The events as `time kind id src dest`.
    fn told(journals: Vec<Vec<Entry>>) -> Vec<String> {
        let told = |event: &NetEvent| {
            let NetEvent {
                time,
                kind,
                id,
                src,
                dest,
                ..
            } = event;
            format!("{time} {kind:?} {id} {src} {dest}")
        };
        merged(journals, 1_000).iter().map(told).collect()
    }

    const HELLO: &str = r#"{"src": "n1", "dest": "n2", "body": {"type": "hello"}}"#;

    #[test]
    fn no_message_arrives_before_it_was_sent_whatever_the_clocks_say() {
        let received = Event::Received { sent: Some(5) };
        let cut = Event::Dropped {
            sent: Some(6),
            why: Drop::Cut,
        };
        let n1 = vec![
            entry(5, 1_100, Event::Sent, HELLO),
            entry(6, 1_110, Event::Sent, HELLO),
        ];
        // Its clock is 100 ns late.
        let n2 = vec![
            entry(6, 1_020, received, HELLO),
            entry(7, 1_030, cut, HELLO),
        ];
        assert_eq!(
            told(vec![n1, n2]),
            [
                "100 Send 0 n1 n2",
                "110 Send 1 n1 n2",
                "100 Recv 0 n1 n2",
                "110 Drop(Partition) 1 n1 n2",
            ]
        );
    }

    #[test]
    fn who_keeps_no_journal_is_spoken_for() {
        let ask = r#"{"src": "n1", "dest": "lin-kv", "body": {"type": "read", "key": 1}}"#;
        let answer = r#"{"src": "lin-kv", "dest": "n1", "body": {"type": "read_ok"}}"#;
        let client = r#"{"src": "c:_INBOX.7", "dest": "n1", "body": {"type": "read"}}"#;
        let unsent = Event::Received { sent: None };
        let n1 = vec![
            entry(1, 1_001, unsent, client),
            entry(2, 1_002, Event::Sent, ask),
            entry(3, 1_003, unsent, answer),
        ];
        assert_eq!(
            told(vec![n1]),
            [
                "2 Send 0 n1 lin-kv",
                "2 Recv 0 n1 lin-kv",
                "3 Send 1 lin-kv n1",
                "3 Recv 1 lin-kv n1",
            ]
        );
    }
}
