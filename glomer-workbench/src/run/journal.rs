//! What the network saw: the events, and how many there were.
//!
//! The events of nearly any run fit into [`Journal::BYTES`]. Of one without measure the first
//! are kept; the rest is counted and let go. Long bodies are kept whole until these come to
//! [`Journal::WHOLE_BYTES`].

use std::sync::Arc;

use glomer_runtime::sim::Dropped;

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It entered the network.
    Send,
    /// It was handed to its destination.
    Recv,
    /// It reached its due time (or was lost on the way) and was not handed over, for this
    /// reason.
    Drop(Dropped),
}

/// One event of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetEvent {
    /// When, in nanoseconds since the first operation was due; what nodes say before that has
    /// a negative time.
    pub time: i64,
    /// What happened.
    pub kind: EventKind,
    /// The message's number, unique in the run; a duplicate keeps its original's.
    pub id: u64,
    /// Who sent the message.
    pub src: Arc<str>,
    /// Whom it is for.
    pub dest: Arc<str>,
    /// The body as raw JSON: whole, or its beginning and how long it is, as in
    /// `{"type":"read_ok","messages":[1,2… (70123 bytes)`.
    pub body: Arc<str>,
}

/// Messages of one kind, counted as Maelstrom's `net.checker` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that entered the network.
    pub sent: u64,
    /// Messages handed over; a duplicated message counts twice.
    pub received: u64,
}

/// The events of a run, bounded, and their totals.
#[derive(Debug, Default)]
pub struct Journal {
    events: Vec<NetEvent>,
    clients: Counts,
    servers: Counts,
    dropped: u64,
    /// About what the events take, in bytes.
    bytes: usize,
    /// Bytes of the long bodies that are kept whole.
    whole: usize,
}

impl Journal {
    /// How many bytes the events may take, about: those of a million short messages' ways.
    pub const BYTES: usize = 128 << 20;
    /// How many bytes the long bodies may have together that are kept whole. Each event
    /// counts its own, so a message that is sent and received counts twice.
    pub const WHOLE_BYTES: usize = 32 << 20;
    /// How much is kept of a long body beyond that. No body of this length is ever cut.
    pub const EXCERPT_BYTES: usize = 512;

    /// The events of the run, oldest first, or the first of them, if they take more than
    /// [`Journal::BYTES`].
    pub fn events(&self) -> &[NetEvent] {
        &self.events
    }

    /// How many events there were, those included that were not kept.
    pub fn total(&self) -> u64 {
        let [clients, servers] = [self.clients, self.servers].map(|it| it.sent + it.received);
        clients + servers + self.dropped
    }

    /// Messages that a client sent or was sent. Like Maelstrom, everyone whose
    /// name begins with `c` counts as a client.
    pub fn clients(&self) -> Counts {
        self.clients
    }

    /// Messages among nodes, and between nodes and services.
    pub fn servers(&self) -> Counts {
        self.servers
    }

    /// Messages that were sent and never handed over: partitions, loss, dead
    /// nodes and closed clients.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Moves the beginning of time for all events so far.
    pub fn rebase(&mut self, origin: i64) {
        for event in &mut self.events {
            event.time -= origin;
        }
    }

    /// Notes an event. `body` is the whole body; the journal cuts what it keeps.
    pub fn record(
        &mut self,
        time: i64,
        kind: EventKind,
        id: u64,
        src: &Arc<str>,
        dest: &Arc<str>,
        body: &Arc<str>,
    ) {
        let counts = if involves_client(src, dest) {
            &mut self.clients
        } else {
            &mut self.servers
        };
        match kind {
            EventKind::Send => counts.sent += 1,
            EventKind::Recv => counts.received += 1,
            EventKind::Drop(_) => self.dropped += 1,
        }
        if self.bytes < Self::BYTES {
            let body = self.keep(body);
            self.bytes += size_of::<NetEvent>();
            if kind == EventKind::Send || body.len() > Self::EXCERPT_BYTES {
                // The others have their bodies in common with the sending.
                self.bytes += body.len();
            }
            self.events.push(NetEvent {
                time,
                kind,
                id,
                src: src.clone(),
                dest: dest.clone(),
                body,
            });
        }
    }

    /// Adds events that someone else noted, with the same beginning of time. Their numbers follow
    /// those of the events that are here.
    pub fn merge(&mut self, events: impl IntoIterator<Item = NetEvent>) {
        let next = self.events.iter().map(|event| event.id + 1).max();
        let next = next.unwrap_or_default();
        for event in events {
            let id = next + event.id;
            self.record(
                event.time,
                event.kind,
                id,
                &event.src,
                &event.dest,
                &event.body,
            );
        }
        self.events.sort_by_key(|event| event.time);
    }

    fn keep(&mut self, body: &Arc<str>) -> Arc<str> {
        if body.len() <= Self::EXCERPT_BYTES {
            return body.clone();
        }
        if self.whole + body.len() <= Self::WHOLE_BYTES {
            self.whole += body.len();
            return body.clone();
        }
        let end = body.floor_char_boundary(Self::EXCERPT_BYTES);
        format!("{}… ({} bytes)", &body[..end], body.len()).into()
    }
}

/// Whether Maelstrom counts a message between these two as a client's.
pub fn involves_client(src: &str, dest: &str) -> bool {
    src.starts_with('c') || dest.starts_with('c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_everything_and_keeps_the_first_events() {
        let mut journal = Journal::default();
        let [n1, n2, c1]: [Arc<str>; 3] = ["n1".into(), "n2".into(), "c1".into()];
        // The first long ones are whole, and many of the others fill what there is.
        let body: Arc<str> = "x".repeat(1 << 20).into();
        let many = (Journal::BYTES / Journal::EXCERPT_BYTES) as u64;
        for id in 0..many {
            journal.record(0, EventKind::Send, id, &n1, &n2, &body);
            journal.record(1, EventKind::Recv, id, &n1, &c1, &body);
        }
        journal.record(2, EventKind::Drop(Dropped::Partition), 0, &n1, &n2, &body);

        let kept: usize = (journal.events().iter())
            .map(|event| size_of::<NetEvent>() + event.body.len())
            .sum();
        let last = size_of::<NetEvent>() + Journal::EXCERPT_BYTES + 32;
        assert!(
            (Journal::BYTES..Journal::BYTES + last).contains(&kept),
            "{kept}"
        );
        assert_eq!(journal.total(), 2 * many + 1);
        assert_eq!(
            journal.servers(),
            Counts {
                sent: many,
                received: 0
            }
        );
        assert_eq!(
            journal.clients(),
            Counts {
                sent: 0,
                received: many
            }
        );
        assert_eq!(journal.dropped(), 1);
    }

    #[test]
    fn keeps_bodies_whole_up_to_a_bound_and_then_their_beginnings() {
        let mut journal = Journal::default();
        let (n1, n2): (Arc<str>, Arc<str>) = ("n1".into(), "n2".into());
        let long: Arc<str> = "é".repeat(Journal::WHOLE_BYTES / 8).into();
        let short: Arc<str> = "é".repeat(Journal::EXCERPT_BYTES / 2).into();
        for id in 0..8 {
            journal.record(0, EventKind::Send, id, &n1, &n2, &long);
            journal.record(0, EventKind::Send, id, &n1, &n2, &short);
        }
        let (long_ones, short_ones): (Vec<&NetEvent>, Vec<&NetEvent>) = journal
            .events()
            .iter()
            .partition(|event| event.body.len() > Journal::EXCERPT_BYTES);
        assert!(short_ones.iter().all(|event| event.body == short));
        let (whole, cut) = long_ones.split_at(4);
        assert!(whole.iter().all(|event| event.body == long));
        for event in cut {
            let mark = format!("é… ({} bytes)", Journal::WHOLE_BYTES / 4);
            assert!(event.body.ends_with(&mark), "{}", event.body);
            assert!(event.body.len() < Journal::EXCERPT_BYTES + 32);
        }
    }
}
