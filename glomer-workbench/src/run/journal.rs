//! What the network saw: the first events in full, everything in numbers.
//!
//! A run can exchange millions of messages, so only the first
//! [`Journal::KEPT`] events keep their text (that is what a message diagram can
//! show); the rest is counted and let go.

use std::sync::Arc;

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It entered the network.
    Send,
    /// It was handed to its destination.
    Recv,
    /// It reached its due time (or was lost on the way) and was not handed over.
    Drop,
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
    /// The body as raw JSON, cut to [`Journal::BODY_BYTES`].
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
}

impl Journal {
    /// How many events keep their text.
    pub const KEPT: usize = 10_000;
    /// How much of a body is kept.
    pub const BODY_BYTES: usize = 2_048;

    /// The first events of the run, oldest first, at most [`Journal::KEPT`].
    pub fn events(&self) -> &[NetEvent] {
        &self.events
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
        let counts = match involves_client(src, dest) {
            true => &mut self.clients,
            false => &mut self.servers,
        };
        match kind {
            EventKind::Send => counts.sent += 1,
            EventKind::Recv => counts.received += 1,
            EventKind::Drop => self.dropped += 1,
        }
        if self.events.len() < Self::KEPT {
            self.events.push(NetEvent {
                time,
                kind,
                id,
                src: src.clone(),
                dest: dest.clone(),
                body: excerpt(body),
            });
        }
    }
}

/// Whether Maelstrom counts a message between these two as a client's.
pub fn involves_client(src: &str, dest: &str) -> bool {
    src.starts_with('c') || dest.starts_with('c')
}

fn excerpt(body: &Arc<str>) -> Arc<str> {
    if body.len() <= Journal::BODY_BYTES {
        return body.clone();
    }
    let end = (0..=Journal::BODY_BYTES)
        .rev()
        .find(|&at| body.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}…", &body[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_everything_and_keeps_the_first_events() {
        let mut journal = Journal::default();
        let [n1, n2, c1]: [Arc<str>; 3] = ["n1".into(), "n2".into(), "c1".into()];
        let body: Arc<str> = "é".repeat(Journal::BODY_BYTES).into();
        for id in 0..Journal::KEPT as u64 {
            journal.record(0, EventKind::Send, id, &n1, &n2, &body);
            journal.record(1, EventKind::Recv, id, &n1, &c1, &body);
        }
        journal.record(2, EventKind::Drop, 0, &n1, &n2, &body);

        assert_eq!(journal.events().len(), Journal::KEPT);
        assert!(journal.events()[0].body.len() <= Journal::BODY_BYTES + '…'.len_utf8());
        assert_eq!(
            journal.servers(),
            Counts {
                sent: Journal::KEPT as u64,
                received: 0
            }
        );
        assert_eq!(
            journal.clients(),
            Counts {
                sent: 0,
                received: Journal::KEPT as u64
            }
        );
        assert_eq!(journal.dropped(), 1);
    }
}
