//! What carries the messages of a node, without any IO.
//!
//! Messages from NATS and lines of the node go in, lines for the node and messages for NATS come
//! out; drivers do the rest.

mod faults;
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
use async_nats::{HeaderMap, HeaderValue, Message, Subject};
use bytes::Bytes;
use glomer_runtime::Error;
use serde_json::json;
use serde_json::value::RawValue;

use self::faults::{Fate, Links};
use self::journal::Journal;
use self::message::{CARRIER, Envelope, Request};
pub(crate) use self::presence::Presence;
use self::throttle::Throttle;
use self::waiting::Waiting;
use crate::control::{self, CLOCK, Drop, Event, Life, Reply, Status};
use crate::metrics::Metrics;
use crate::{Cluster, Name, Result};

/// How many bytes may wait for a node to read them.
const UNREAD: usize = 32 << 20;

/// How much memory is kept for what a node reads, in bytes.
const READ: usize = 1 << 20;

/// How much may wait to be published before the node's output is left where it is.
const UNSENT_MESSAGES: usize = 4096;
const UNSENT_BYTES: usize = 4 << 20;

/// What the header with the clock takes, at most.
const HEADER: usize = 64;

/// How many destinations are known with their subjects.
const KNOWN: usize = 1024;

/// The longest time that a node has to answer `init`.
pub(crate) const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whose messages are carried.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cluster: Cluster,
    pub(crate) id: Name,
    pub(crate) nodes: Vec<Name>,
}

impl Identity {
    /// A node of a cluster.
    ///
    /// # Errors
    /// If the node is not one of the nodes, or one is there twice.
    pub(crate) fn new(cluster: Cluster, id: Name, nodes: Vec<Name>) -> Result<Self> {
        let list = nodes.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
        if !nodes.contains(&id) {
            return Err(format!(
                "--id {id} is none of --nodes {list}: name all nodes of the cluster there, this \
                 one, too"
            )
            .into());
        }
        let twice = nodes
            .iter()
            .enumerate()
            .find(|(index, node)| nodes[..*index].contains(node));
        if let Some((_, node)) = twice {
            return Err(format!("--nodes {list} names {node} twice").into());
        }
        Ok(Self { cluster, id, nodes })
    }
}

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
    links: Links,
    paused_until: Option<Duration>,
    killed_until: Option<Duration>,
    /// What is for the node, line by line.
    unread: Vec<u8>,
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

/// A message that takes its time. They are in the order of arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Duration,
    number: u64,
    sent: Option<u64>,
    line: Bytes,
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
            links: Links::new(random),
            paused_until: None,
            killed_until: None,
            unread: Vec::new(),
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
        let error = Error::crash(format!(
            "{} ended before it answered; what was asked may have happened or not",
            self.identity.id
        ));
        for (reply, asked) in self.waiting.drain() {
            self.answer(reply.into(), asked.msg_id.as_deref(), &error);
        }
    }

    // What comes from NATS.

    /// Takes a message for the node.
    pub(crate) fn receive(&mut self, now: Duration, message: Message) {
        match message.reply {
            Some(reply) => self.request(now, reply, &message.payload),
            None => {
                let sent = message.headers.as_ref().and_then(clock_of);
                self.message(now, message.payload, sent);
            }
        }
    }

    /// Takes a request of a client.
    fn request(&mut self, now: Duration, reply: Subject, body: &Bytes) {
        if reply.starts_with('$') || reply.starts_with("glomer.") {
            // The node's answer would be taken for a request there.
            return self.refuse(now, body, "its reply subject is not a client's");
        }
        let request = match Request::read(body) {
            Ok(request) => request,
            Err(error) => {
                self.metrics.dropped(Drop::Invalid);
                return self.answer(reply, None, &error);
            }
        };
        let id = &self.identity.id;
        let unable = if self.life != Life::Ready {
            self.metrics.dropped(Drop::Down);
            format!("{id} does not run now, or has not answered `init` yet; try again")
        } else if self.is_full(body.len()) {
            self.metrics.dropped(Drop::Unread);
            format!("too much waits for {id} to be read; try again")
        } else {
            String::new()
        };
        if !unable.is_empty() {
            let error = Error::temporarily_unavailable(unable);
            return self.answer(reply, request.msg_id(), &error);
        }
        self.last_msg_id += 1;
        let start = self.unread.len();
        request.wrap(
            &reply,
            id.as_str(),
            body,
            self.last_msg_id,
            &mut self.unread,
        );
        self.waiting.add(now, &reply, request.msg_id());
        self.metrics.received.inc();
        if self.journal.is_some() {
            self.clock += 1;
            let line = self.unread[start..].to_vec();
            self.note(now, Event::Received { sent: None }, &line);
        }
        self.unread.push(b'\n');
    }

    /// Takes a message of a node, a service, or a client that listens where nodes do.
    fn message(&mut self, now: Duration, line: Bytes, sent: Option<u64>) {
        let envelope = match Envelope::read(&line) {
            Ok(envelope) => envelope,
            Err(error) => {
                let why = format!(
                    "it is no message ({error}), and without a reply subject no request of a client"
                );
                return self.refuse(now, &line, &why);
            }
        };
        let Envelope { src, dest, .. } = &envelope;
        if dest != self.identity.id.as_str() {
            let why = format!("it is for {dest}");
            return self.refuse(now, &line, &why);
        }
        let is_client = !message::is_service(src)
            && !self.identity.nodes.iter().any(|node| node.as_str() == src);
        match self.links.fate(src, is_client) {
            Fate::Lost(why) => self.lose(now, &line, sent, why),
            Fate::Arrives(after, again) => {
                for after in again.into_iter().chain([after]) {
                    if after.is_zero() {
                        self.deliver(now, &line, sent);
                    } else {
                        self.delay(now, after, line.clone(), sent);
                    }
                }
            }
        }
    }

    fn delay(&mut self, now: Duration, after: Duration, line: Bytes, sent: Option<u64>) {
        if self.is_full(line.len()) {
            return self.lose(now, &line, sent, Drop::Unread);
        }
        self.last_msg_id += 1;
        self.delayed_bytes += line.len();
        self.delayed.push(Reverse(Delayed {
            due: now + after,
            number: self.last_msg_id,
            sent,
            line,
        }));
    }

    fn is_full(&self, more: usize) -> bool {
        self.unread.len() + self.delayed_bytes + more > UNREAD
    }

    /// Gives a message to the node.
    fn deliver(&mut self, now: Duration, line: &[u8], sent: Option<u64>) {
        if self.life != Life::Ready {
            return self.lose(now, line, sent, Drop::Down);
        }
        if self.is_full(line.len()) {
            let id = &self.identity.id;
            self.throttle.warn(now, Drop::Unread, || {
                format!(
                    "{id} does not read what is for it; {} MiB wait, and what comes now is lost",
                    UNREAD >> 20
                )
            });
            return self.lose(now, line, sent, Drop::Unread);
        }
        message::push_line(line, &mut self.unread);
        self.unread.push(b'\n');
        self.metrics.received.inc();
        if self.journal.is_some() {
            self.clock = self.clock.max(sent.unwrap_or(0)) + 1;
            self.note(now, Event::Received { sent }, line);
        }
    }

    fn lose(&mut self, now: Duration, line: &[u8], sent: Option<u64>, why: Drop) {
        self.metrics.dropped(why);
        if self.journal.is_some() {
            self.clock = self.clock.max(sent.unwrap_or(0)) + 1;
            self.note(now, Event::Dropped { sent, why }, line);
        }
    }

    /// Drops what should not have come.
    fn refuse(&mut self, now: Duration, payload: &[u8], why: &str) {
        self.metrics.dropped(Drop::Invalid);
        self.throttle.warn(now, Drop::Invalid, || {
            format!(
                "a message from NATS was dropped, since {why}: {}",
                excerpt(payload)
            )
        });
    }

    /// Takes a request to the carrier itself, and answers it. What it wants done to the node is
    /// to be done before anything else.
    pub(crate) fn ask(&mut self, now: Duration, message: Message) -> Option<Order> {
        let reply = message.reply?;
        let (answer, order) = match serde_json::from_slice(&message.payload) {
            Ok(request) => self.obey(now, request),
            Err(error) => {
                let text = format!("this is no request to a carrier: {error}");
                (Reply::Refused { text }, None)
            }
        };
        let payload = serde_json::to_vec(&answer).expect("replies are JSON");
        self.push(outbound(reply, payload));
        order
    }

    fn obey(&mut self, now: Duration, request: control::Request) -> (Reply, Option<Order>) {
        use control::Request as Asked;
        let is_fault = matches!(
            request,
            Asked::Faults(_) | Asked::Pause { .. } | Asked::Kill { .. }
        );
        if is_fault && !self.obeys_faults {
            let text = format!(
                "the carrier of {} was started with --no-faults, and breaks nothing",
                self.identity.id
            );
            return (Reply::Refused { text }, None);
        }
        let order = match request {
            Asked::Status => {
                let status = Status {
                    id: self.presence.id.clone(),
                    nodes: self.presence.nodes.clone(),
                    life: self.life,
                    restarts: self.metrics.restarts.get(),
                };
                return (Reply::Status(status), None);
            }
            Asked::ReadJournal { from } => {
                let Some(journal) = &self.journal else {
                    let text = "it keeps no journal; ask it to with `start_journal`".to_owned();
                    return (Reply::Refused { text }, None);
                };
                // The rest is for what is around the messages.
                return (
                    Reply::Journal(journal.page(from, self.max_payload / 2)),
                    None,
                );
            }
            Asked::StartJournal => {
                self.journal = Some(Journal::default());
                None
            }
            Asked::StopJournal => {
                self.journal = None;
                None
            }
            Asked::Faults(faults) => {
                tracing::info!("links break as asked: {faults:?}");
                self.links.set(now, faults);
                None
            }
            Asked::Pause { for_ms } => {
                self.paused_until = Some(faults::end(now, for_ms));
                Some(Order::Pause)
            }
            Asked::Kill { for_ms } => {
                self.killed_until = Some(faults::end(now, for_ms));
                Some(Order::Kill)
            }
            Asked::Resume => self.paused_until.take().map(|_| Order::Resume),
            Asked::Start => self.killed_until.take().map(|_| Order::Start),
        };
        if let Some(order) = order {
            tracing::info!("asked to {order:?} {}", self.identity.id);
        }
        (Reply::Done, order)
    }

    // What comes from the node.

    /// Takes a line of the node.
    pub(crate) fn send(&mut self, now: Duration, line: Bytes) {
        let envelope = match Envelope::read(&line) {
            Ok(envelope) => envelope,
            Err(error) => {
                let why = format!("it is no message: {error}");
                return self.refuse_line(now, &line, &why);
            }
        };
        if envelope.dest == CARRIER {
            return self.started(now, &envelope);
        }
        if let Some(reply) = message::reply_subject(&envelope.dest) {
            let reply = Subject::from(reply);
            if !reply.is_valid() {
                return self.refuse_line(now, &line, "its `dest` is no client of any node");
            }
            let asked = self.waiting.take(&reply);
            let body = line.slice_ref(envelope.body.get().as_bytes());
            if body.len() > self.max_payload {
                let error = Error::crash(self.too_long("its answer", body.len()));
                self.drop_line(now, &line, Drop::TooLong);
                let msg_id = asked.as_ref().and_then(|asked| asked.msg_id.as_deref());
                return self.answer(reply, msg_id, &error);
            }
            if let Some(asked) = asked {
                let took = now.saturating_sub(asked.at);
                self.metrics.handler_time.observe(took.as_secs_f64());
            }
            self.note_sent(now, &line);
            return self.push(outbound(reply, body));
        }
        let subject = match self.subject(&envelope.dest) {
            Ok(subject) => subject,
            Err(error) => {
                let why = format!("its `dest` is for nobody: {error}");
                return self.refuse_line(now, &line, &why);
            }
        };
        if line.len() + HEADER > self.max_payload {
            return self.drop_line(now, &line, Drop::TooLong);
        }
        let headers = self.note_sent(now, &line).map(|clock| {
            let mut headers = HeaderMap::new();
            headers.insert(CLOCK, HeaderValue::from(clock));
            headers
        });
        self.push(OutboundMessage {
            headers,
            ..outbound(subject, line)
        });
    }

    /// Takes the beginning of a line that is longer than can be read.
    pub(crate) fn send_too_long(&mut self, now: Duration, start: &[u8]) {
        self.drop_line(now, start, Drop::TooLong);
    }

    /// Takes the answer to `init`.
    fn started(&mut self, now: Duration, answer: &Envelope<'_>) {
        match answer.kind().as_deref() {
            Some("init_ok") if self.life == Life::Starting => {
                tracing::info!("{} is ready", self.identity.id);
                self.life = Life::Ready;
            }
            Some("init_ok") => {}
            _ => {
                let id = &self.identity.id;
                self.throttle.warn(now, Drop::Down, || {
                    format!(
                        "{id} does not take `init`: {}",
                        excerpt(answer.body.get().as_bytes())
                    )
                });
            }
        }
    }

    /// The subject of whoever is called `dest`.
    fn subject(&mut self, dest: &str) -> Result<Subject, crate::BadName> {
        if let Some(subject) = self.subjects.get(dest) {
            return Ok(subject.clone());
        }
        let subject = Subject::from(self.identity.cluster.node(dest)?);
        if self.subjects.len() >= KNOWN {
            self.subjects.clear();
        }
        self.subjects.insert(dest.to_owned(), subject.clone());
        Ok(subject)
    }

    fn refuse_line(&mut self, now: Duration, line: &[u8], why: &str) {
        let id = &self.identity.id;
        self.metrics.dropped(Drop::Invalid);
        self.throttle.warn(now, Drop::Invalid, || {
            format!(
                "{id} wrote a line that was dropped, since {why}: {}",
                excerpt(line)
            )
        });
    }

    fn drop_line(&mut self, now: Duration, line: &[u8], why: Drop) {
        let text = self.too_long("a line of it", line.len());
        self.metrics.dropped(why);
        self.throttle.warn(now, why, || {
            format!("{text}; it was dropped: {}", excerpt(line))
        });
        if self.journal.is_some() {
            self.clock += 1;
            self.note(now, Event::Dropped { sent: None, why }, line);
        }
    }

    fn too_long(&self, what: &str, length: usize) -> String {
        format!(
            "{what} from {} has {length} bytes, and the server takes {} at most: raise \
             `max_payload` in its configuration, or send less at once",
            self.identity.id, self.max_payload
        )
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
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
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
            tracing::info!("links are whole again: the time of their faults is over");
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

fn clock_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(CLOCK)?.as_str().parse().ok()
}

/// The beginning of what came, for people.
fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let mut text: String = String::from_utf8_lossy(shown).escape_debug().collect();
    if bytes.len() > SHOWN {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}
