//! What carries the messages of a node, without any IO.
//!
//! Messages from NATS and lines of the node go in, lines for the node and messages for NATS come
//! out; drivers do the rest.

mod asked;
mod faults;
mod from_nats;
mod from_node;
mod identity;
mod journal;
mod message;
mod presence;
mod throttle;
mod waiting;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use async_nats::message::OutboundMessage;
use async_nats::{Message, Subject};
use bytes::Bytes;
use glomer_runtime::Error;
use serde_json::json;
use serde_json::value::RawValue;

use self::faults::Links;
use self::from_nats::Delayed;
pub(crate) use self::identity::Identity;
use self::journal::Journal;
use self::message::CARRIER;
pub(crate) use self::presence::Presence;
use self::throttle::Throttle;
use self::waiting::Waiting;
use crate::control::{Drop, Event, Life};
use crate::metrics::Metrics;
use crate::{Name, Result};

/// How much memory is kept for what a node reads, in bytes.
const READ: usize = 1 << 20;

/// How much may wait to be published before the node's output is left where it is.
const UNSENT_MESSAGES: usize = 4096;
const UNSENT_BYTES: usize = 4 << 20;

/// The longest time that a node has to answer `init`.
pub(crate) const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a carrier wants done to the process, or whatever the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
    Kill,
    Start,
}

/// The carrier of a node.
pub(crate) struct Carrier {
    identity: Identity,
    presence: Presence,
    obeys_faults: bool,
    metrics: Metrics,
    /// The time in nanoseconds since 1970 at its time zero.
    epoch: u64,
    /// The longest message that the server takes, in bytes.
    max_payload: usize,
    life: Life,
    /// Whether the node has a disk; who starts it says so.
    pub(crate) node_has_disk: bool,
    links: Links,
    paused_until: Option<Duration>,
    killed_until: Option<Duration>,
    /// What is for the node, line by line.
    unread: Vec<u8>,
    /// How many bytes the driver has of what was for it before.
    reading: usize,
    /// What is for it later.
    delayed: BinaryHeap<Reverse<Delayed>>,
    delayed_bytes: usize,
    unsent: VecDeque<OutboundMessage>,
    unsent_bytes: usize,
    waiting: Waiting,
    /// The subjects of destinations.
    subjects: HashMap<String, Subject>,
    journal: Option<Journal>,
    clock: u64,
    last_msg_id: u64,
    throttle: Throttle,
}

impl Carrier {
    /// The carrier of a node that does not run yet.
    pub(crate) fn new(
        identity: Identity,
        obeys_faults: bool,
        max_payload: usize,
        metrics: Metrics,
    ) -> Self {
        let random = RandomState::new().hash_one(0);
        let epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let presence = Presence {
            id: identity.id.to_string(),
            nodes: identity.nodes.iter().map(Name::to_string).collect(),
            incarnation: format!("{random:016x}"),
            is_settled: false,
            host: nix::unistd::gethostname()
                .map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into()),
            pid: std::process::id(),
        };
        Self {
            identity,
            presence,
            obeys_faults,
            metrics,
            epoch: epoch.as_nanos().try_into().unwrap_or(u64::MAX),
            max_payload,
            life: Life::Down,
            node_has_disk: false,
            links: Links::new(random),
            paused_until: None,
            killed_until: None,
            unread: Vec::new(),
            reading: 0,
            delayed: BinaryHeap::new(),
            delayed_bytes: 0,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            waiting: Waiting::default(),
            subjects: HashMap::new(),
            journal: None,
            clock: 0,
            last_msg_id: 0,
            throttle: Throttle::default(),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn life(&self) -> Life {
        self.life
    }

    /// Whether a fault keeps the node from running.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed_until.is_some()
    }

    /// Whether a fault keeps the node from going on.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    // Who else there is.

    /// Says who it is, to be published and answered to `inbox`.
    pub(crate) fn hello(&self, inbox: &str) -> OutboundMessage {
        OutboundMessage {
            reply: Some(inbox.into()),
            ..self.presence_to(self.identity.cluster.presence().into())
        }
    }

    fn presence_to(&self, subject: Subject) -> OutboundMessage {
        let payload = serde_json::to_vec(&self.presence).expect("texts are JSON");
        outbound(subject, payload)
    }

    /// Nobody objected.
    pub(crate) fn settle(&mut self) {
        self.presence.is_settled = true;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.presence.is_settled
    }

    /// Takes what another carrier says of itself, or the question who is there.
    ///
    /// # Errors
    /// If this one has to go.
    pub(crate) fn meet(&mut self, message: Message) -> Result<()> {
        if let Ok(other) = serde_json::from_slice::<Presence>(&message.payload) {
            if let Some(conflict) = self.presence.yields_to(&other) {
                return Err(conflict.into());
            }
            if let Some(conflict) = other.yields_to(&self.presence) {
                tracing::warn!("a carrier on {} was refused: {conflict}", other.host);
            }
            if other.incarnation == self.presence.incarnation {
                return Ok(());
            }
        }
        if let Some(reply) = message.reply {
            let answer = self.presence_to(reply);
            self.push(answer);
        }
        Ok(())
    }

    // The node's life.

    /// The node starts, and is told `init`.
    pub(crate) fn start(&mut self) {
        self.life = Life::Starting;
        self.killed_until = None;
        self.paused_until = None;
        let Identity { id, nodes, .. } = &self.identity;
        let nodes: Vec<_> = nodes.iter().map(Name::as_str).collect();
        let init = json!({
            "src": CARRIER,
            "dest": id.as_str(),
            "body": {"type": "init", "msg_id": 1, "node_id": id.as_str(), "node_ids": nodes},
        });
        self.unread = init.to_string().into_bytes();
        self.unread.push(b'\n');
    }

    /// The node has ended; whoever waits for it is told.
    pub(crate) fn ended(&mut self) {
        self.life = Life::Down;
        self.unread = Vec::new();
        self.reading = 0;
        let error = Error::crash(format!(
            "{} ended before it answered; what was asked may have happened or not",
            self.identity.id
        ));
        for (reply, asked) in self.waiting.drain() {
            self.answer(reply.into(), asked.msg_id.as_deref(), &error);
        }
    }

    // What goes to NATS.

    /// Answers a client instead of the node.
    fn answer(&mut self, reply: Subject, msg_id: Option<&str>, error: &Error) {
        let msg_id: Option<&RawValue> = msg_id.and_then(|text| serde_json::from_str(text).ok());
        let body = message::error_body(msg_id, error);
        self.push(outbound(reply, body));
    }

    fn push(&mut self, message: OutboundMessage) {
        self.unsent_bytes += message.payload.len();
        self.unsent.push_back(message);
    }

    /// Whether the node's output is to be left where it is until more was published.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.unsent.len() >= UNSENT_MESSAGES || self.unsent_bytes >= UNSENT_BYTES
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes the next message to be published.
    pub(crate) fn next_unsent(&mut self) -> Option<OutboundMessage> {
        let message = self.unsent.pop_front()?;
        self.unsent_bytes -= message.payload.len();
        Some(message)
    }

    /// Drops what was to be published: there is no connection.
    pub(crate) fn drop_unsent(&mut self, now: Duration) {
        let lost = self.unsent.len();
        self.unsent.clear();
        self.unsent_bytes = 0;
        for _ in 0..lost {
            self.metrics.dropped(Drop::Disconnected);
        }
        if lost > 0 {
            let id = &self.identity.id;
            self.throttle.warn(now, Drop::Disconnected, || {
                format!("there is no connection to NATS; what {id} sends meanwhile is lost")
            });
        }
    }

    /// The longest message that the server takes, which may be another one by now.
    pub(crate) fn set_max_payload(&mut self, bytes: usize) {
        self.max_payload = bytes;
    }

    // What goes to the node.

    /// Takes the lines that are for the node, in place of `read`, of which nothing is left.
    pub(crate) fn swap_unread(&mut self, read: &mut Vec<u8>) {
        read.clear();
        // It gives back what a burst took.
        read.shrink_to(READ);
        std::mem::swap(&mut self.unread, read);
        self.reading = read.len();
    }

    // Time.

    /// When [`tick`](Self::tick) is to be called next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let delayed = self.delayed.peek().map(|Reverse(delayed)| delayed.due);
        [
            delayed,
            self.links.deadline(),
            self.paused_until,
            self.killed_until,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Order> {
        if self.links.tick(now) {
            let id = &self.identity.id;
            tracing::info!("links of {id} are whole: the time of their faults is over");
        }
        while let Some(Reverse(next)) = self.delayed.peek()
            && next.due <= now
            && let Some(Reverse(Delayed { sent, line, .. })) = self.delayed.pop()
        {
            self.delayed_bytes -= line.len();
            self.deliver(now, &line, sent);
        }
        let over = |until: &mut Option<Duration>| until.take_if(|until| *until <= now).is_some();
        if over(&mut self.killed_until) {
            Some(Order::Start)
        } else if over(&mut self.paused_until) {
            Some(Order::Resume)
        } else {
            None
        }
    }

    // The journal.

    /// Notes that the node sent this; the clock then, if there is a journal.
    fn note_sent(&mut self, now: Duration, line: &[u8]) -> Option<u64> {
        self.metrics.sent.inc();
        self.journal.as_ref()?;
        self.clock += 1;
        self.note(now, Event::Sent, line);
        Some(self.clock)
    }

    fn note(&mut self, now: Duration, event: Event, line: &[u8]) {
        let at = self.epoch + u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        if let Some(journal) = &mut self.journal
            && let Ok(message) = serde_json::from_slice(line)
        {
            journal.add(self.clock, at, event, message);
        }
    }
}

fn outbound(subject: Subject, payload: impl Into<Bytes>) -> OutboundMessage {
    OutboundMessage {
        subject,
        payload: payload.into(),
        reply: None,
        headers: None,
    }
}
