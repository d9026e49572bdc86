//! What the carrier of a node can be asked, and what it answers.
//!
//! A [`Request`] is a JSON object that is published with a reply subject to
//! `glomer.CLUSTER.control.NODE`; the [`Reply`] is JSON, too:
//!
//! ```
//! use glomer_nats::control::{Reply, Request};
//!
//! let request: Request = serde_json::from_str(r#"{"type": "pause", "for_ms": 2000}"#)?;
//! assert_eq!(request, Request::Pause { for_ms: 2000 });
//!
//! assert_eq!(serde_json::to_string(&Reply::Done)?, r#""done""#);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! so `nats request glomer.shop.control.n1 '{"type":"status"}'` asks by hand. A carrier that was
//! started with `--no-faults` refuses whatever would break its node.
//!
//! A fault ends by itself after its `for_ms`, so that none outlives whoever asked for it; asking
//! again before that renews it.

use std::collections::BTreeSet;

use glomer_runtime::sim::Latency;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The header that carries the Lamport clock of the sender, while its carrier keeps a journal.
pub const CLOCK: &str = "Glomer-Clock";

/// What a carrier can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// How the node is; answered with [`Reply::Status`].
    Status,
    /// Break the node's links in this way, and no other, from now on.
    Faults(Faults),
    /// Stop the node where it is, as `SIGSTOP` does; what arrives waits for it.
    Pause {
        /// When it goes on by itself, in milliseconds.
        for_ms: u64,
    },
    /// Let it go on.
    Resume,
    /// End the node as `SIGKILL` does; what arrives is lost.
    Kill {
        /// When it is started again by itself, in milliseconds.
        for_ms: u64,
    },
    /// Start it again.
    Start,
    /// Keep a journal from now on, and forget the one before.
    StartJournal,
    /// Keep no journal any more, and forget it.
    StopJournal,
    /// Tell what the journal has; answered with [`Reply::Journal`].
    ReadJournal {
        /// The number of the first entry to tell: 0, or `next` of the page before.
        from: u64,
    },
}

/// What befalls messages that arrive at a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// From whom nothing arrives. A partition cuts off both sides from each other; one that is
    /// cut off at one side alone is one-way.
    pub cut: BTreeSet<String>,
    /// The probability that a message from another node or a service is lost.
    pub loss: f64,
    /// The probability that one arrives twice.
    pub duplicate: f64,
    /// How long one takes, beside what it takes anyway.
    pub latency: Latency,
    /// When all of it ends, in milliseconds.
    pub for_ms: u64,
}

/// What a carrier answers, such as `"done"` or `{"refused": {"text": "…"}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// It is not done.
    Refused {
        /// Why, and what to do.
        text: String,
    },
    /// The answer to [`Request::Status`].
    Status(Status),
    /// The answer to [`Request::ReadJournal`].
    Journal(Page),
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What it is called.
    pub id: String,
    /// Which nodes its cluster consists of.
    pub nodes: Vec<String>,
    /// What it does.
    pub life: Life,
    /// How often it ended by itself and was started again.
    pub restarts: u64,
    /// Whether it has a disk, whose contents outlive it.
    #[serde(default)]
    pub disk: bool,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It does not run.
    Down,
    /// It has not answered `init` yet.
    Starting,
    /// It has.
    Ready,
}

/// A part of a journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Page {
    /// What happened, in this order.
    pub entries: Vec<Entry>,
    /// The number of the entry after them; if there are no entries, the journal ends here.
    pub next: u64,
    /// How many entries from the one asked for were forgotten for want of memory.
    pub lost: u64,
}

/// What happened to a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The Lamport clock of the node: what happened because of something else has a larger one.
    pub clock: u64,
    /// When it happened by the clock of the carrier's machine, in nanoseconds since 1970.
    pub at: u64,
    /// What happened.
    pub event: Event,
    /// The message: its `src`, `dest` and `body`.
    pub message: Box<RawValue>,
}

/// What can happen to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The node sent it. The message is known by its `src` and the clock of this entry.
    Sent,
    /// It was given to the node.
    Received {
        /// The clock when it was sent, if the sender keeps one.
        sent: Option<u64>,
    },
    /// It was not.
    Dropped {
        /// The clock when it was sent, if the sender keeps one.
        sent: Option<u64>,
        /// Why.
        why: Drop,
    },
}

/// Why a message was not carried further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// [`Faults::cut`].
    Cut,
    /// [`Faults::loss`].
    Loss,
    /// The node does not run, or has not answered `init` yet.
    Down,
    /// Too much waits for the node to read it.
    Unread,
    /// There was no connection to the server.
    Disconnected,
    /// It is longer than the server takes.
    TooLong,
    /// It is no message, or for nobody that a subject can name.
    Invalid,
}

impl Drop {
    /// What it is called in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Loss => "loss",
            Self::Down => "down",
            Self::Unread => "unread",
            Self::Disconnected => "disconnected",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid",
        }
    }
}
