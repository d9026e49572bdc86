//! The services that Maelstrom provides to nodes: `seq-kv`, `lin-kv`, `lww-kv` and
//! `lin-tso`, with their deliberate weaknesses.
//!
//! They follow Maelstrom's `service.clj` in requests, replies, error codes and texts. One
//! thing differs: Maelstrom keeps the last 32 states of `seq-kv`, and a client further behind
//! than that may be sent back to a state older than one it has seen. Here it is not.

mod request;

pub use request::{Flavour, Json, Request, Step};

use crate::Rng;
use request::Fields;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Something on the network that answers requests by itself, such as a key-value store.
///
/// Bodies are JSON as it is written, so that numbers of any size keep their digits.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_runtime::sim::service::{LinKv, Service};
/// use std::time::Duration;
///
/// let mut kv = LinKv::default();
/// let mut rng = Rng::seeded(42);
/// let body = r#"{"type": "read", "key": "x", "msg_id": 1}"#;
/// assert_eq!(
///     kv.answer(Duration::ZERO, "n0", body, &mut rng).unwrap(),
///     r#"{"in_reply_to":1,"code":20,"text":"key does not exist","type":"error"}"#
/// );
/// ```
pub trait Service: Send {
    /// Handles the body of one request and gives the body of the reply, without its
    /// `in_reply_to`; `None` when there is nothing to answer, which is what Maelstrom's
    /// services do with a request that they do not know.
    fn handle(&mut self, now: Duration, src: &str, body: &str, rng: &mut Rng) -> Option<String>;

    /// [`handle`](Service::handle), with the `in_reply_to` that belongs to the request.
    fn answer(&mut self, now: Duration, src: &str, body: &str, rng: &mut Rng) -> Option<String> {
        let reply = self.handle(now, src, body, rng)?;
        in_reply_to(body, &reply)
    }
}

/// The body of a reply, with the `in_reply_to` that belongs to the body of a request, and null
/// where that has no `msg_id`; `None` when the reply is no object.
///
/// ```
/// use glomer_runtime::sim::service::in_reply_to;
///
/// let reply = in_reply_to(r#"{"type": "ts", "msg_id": 7}"#, r#"{"type": "ts_ok", "ts": 0}"#);
/// assert_eq!(reply.unwrap(), r#"{"in_reply_to":7,"type": "ts_ok", "ts": 0}"#);
/// ```
pub fn in_reply_to(request: &str, reply: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow)]
        msg_id: Option<&'a RawValue>,
    }
    let id = serde_json::from_str(request).ok();
    let id = id.and_then(|Numbered { msg_id }| msg_id);
    let id = id.map_or("null", RawValue::get);
    let fields = reply.trim_start().strip_prefix('{')?;
    let comma = if fields.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    Some(format!("{{\"in_reply_to\":{id}{comma}{fields}"))
}

/// New instances of all four services, with the names under which nodes reach them.
pub fn defaults() -> Vec<(&'static str, Box<dyn Service>)> {
    vec![
        ("lin-kv", Box::<LinKv>::default()),
        ("lin-tso", Box::<LinTso>::default()),
        ("lww-kv", Box::<LwwKv>::default()),
        ("seq-kv", Box::<SeqKv>::default()),
    ]
}

/// `lin-kv`, a linearizable key-value store: `read`, `write` and `cas` take effect one after
/// the other, each on the latest state.
///
/// Keys and values are any JSON. A `cas` with `create_if_not_exists` creates a missing key.
#[derive(Debug, Default)]
pub struct LinKv {
    values: HashMap<Json, Json>,
}

impl Service for LinKv {
    fn handle(&mut self, _: Duration, _: &str, body: &str, _: &mut Rng) -> Option<String> {
        let request = match Request::read(body)? {
            Ok(request) => request,
            Err(unreadable) => return Some(unreadable),
        };
        let step = request.apply(self.values.get(request.key()), Flavour::Usual);
        if let Some(value) = step.written {
            self.values.insert(request.key().clone(), value);
        }
        Some(step.reply)
    }
}

/// `seq-kv`, a sequentially consistent key-value store: what a client does takes place in
/// the order in which it does it, but possibly in the past.
///
/// A request that changes nothing (a read, a failing `cas`, a write of what is there
/// already) is answered from any of the last 32 states that the client has not moved beyond.
/// A request that changes something takes place on the latest state, which its client has
/// then seen.
#[derive(Debug, Default)]
pub struct SeqKv {
    /// How many changes there were: the number of the latest state.
    latest: u64,
    /// For each key, the values that it had in the states kept, with the state that began
    /// each; oldest first.
    versions: HashMap<Json, VecDeque<(u64, Json)>>,
    /// The states kept that changed a key, and which; oldest first.
    changed: VecDeque<(u64, Json)>,
    /// The latest state that each client has seen.
    seen: HashMap<String, u64>,
}

/// How many states `seq-kv` keeps, the latest included.
const STATES_KEPT: u64 = 32;

impl SeqKv {
    /// The value of a key in a state.
    fn value(&self, key: &Json, state: u64) -> Option<&Json> {
        let versions = self.versions.get(key)?;
        let (_, value) = versions.iter().rev().find(|(since, _)| *since <= state)?;
        Some(value)
    }

    fn oldest(&self) -> u64 {
        (self.latest + 1).saturating_sub(STATES_KEPT)
    }

    /// Begins a new state and forgets the versions that only a state no longer kept had.
    fn advance(&mut self, change: Option<(&Json, Json)>) {
        self.latest += 1;
        if let Some((key, value)) = change {
            self.changed.push_back((self.latest, key.clone()));
            let versions = self.versions.entry(key.clone()).or_default();
            versions.push_back((self.latest, value));
        }
        let oldest = self.oldest();
        while let Some((state, _)) = self.changed.front()
            && *state <= oldest
        {
            let forgotten = self.changed.pop_front();
            let versions = forgotten.and_then(|(_, key)| self.versions.get_mut(&key));
            if let Some(versions) = versions {
                while versions.get(1).is_some_and(|(since, _)| *since <= oldest) {
                    versions.pop_front();
                }
            }
        }
    }
}

impl Service for SeqKv {
    fn handle(&mut self, _: Duration, src: &str, body: &str, rng: &mut Rng) -> Option<String> {
        let request = match Request::read(body)? {
            Ok(request) => request,
            Err(unreadable) => return Some(unreadable),
        };
        let key = request.key();
        let seen = self.seen.get(src).copied().unwrap_or(0);
        let state = rng.range(seen.max(self.oldest())..self.latest + 1);
        let in_the_past = self.value(key, state);
        let mut step = request.apply(in_the_past, Flavour::Usual);
        let seen = match &step.written {
            Some(value) if in_the_past != Some(value) => {
                step = request.apply(self.value(key, self.latest), Flavour::Usual);
                // As in Maelstrom, a new state begins even if the request changes nothing now.
                self.advance(step.written.take().map(|value| (key, value)));
                self.latest
            }
            _ => state,
        };
        self.seen.insert(src.to_owned(), seen);
        Some(step.reply)
    }
}

/// `lww-kv`, an eventually consistent key-value store in which the last writer wins: several
/// replicas that hear of each other now and then. Updates get lost, and reads may go back.
///
/// Each replica counts its own writes for timestamps; so two replicas give out the same
/// ones, and of two writes with one timestamp either may win. `create_if_not_exists` is
/// ignored, as in Maelstrom.
#[derive(Debug)]
pub struct LwwKv {
    replicas: Vec<Replica>,
}

/// As many as Maelstrom's code makes, whatever its documentation says.
const REPLICAS: usize = 2;

#[derive(Clone, Debug, Default)]
struct Replica {
    clock: u64,
    values: HashMap<Json, (u64, Json)>,
}

impl Replica {
    /// Takes over what `source` knows; where both have a value of the same timestamp, that
    /// of `source`.
    fn merge(&mut self, source: &Replica) {
        self.clock = self.clock.max(source.clock);
        for (key, (theirs, value)) in &source.values {
            match self.values.get(key) {
                Some((mine, _)) if mine > theirs => {}
                Some((mine, same)) if mine == theirs && same == value => {}
                _ => {
                    self.values.insert(key.clone(), (*theirs, value.clone()));
                }
            }
        }
    }
}

impl Default for LwwKv {
    fn default() -> LwwKv {
        LwwKv {
            replicas: vec![Replica::default(); REPLICAS],
        }
    }
}

impl Service for LwwKv {
    fn handle(&mut self, _: Duration, _: &str, body: &str, rng: &mut Rng) -> Option<String> {
        let request = match Request::read(body)? {
            Ok(request) => request,
            Err(unreadable) => return Some(unreadable),
        };
        let any = || rng.below(REPLICAS as u64) as usize;
        let (source, dest, answering) = (any(), any(), any());
        let key = request.key();
        if let Ok([source, dest]) = self.replicas.get_disjoint_mut([source, dest]) {
            dest.merge(source);
        }
        let replica = &mut self.replicas[answering];
        let current = replica.values.get(key).map(|(_, value)| value);
        let step = request.apply(current, Flavour::LastWriteWins);
        if let Some(value) = step.written {
            replica.values.insert(key.clone(), (replica.clock, value));
            replica.clock += 1;
        }
        Some(step.reply)
    }
}

/// `lin-tso`, a linearizable timestamp oracle: each `ts` request gets the next integer,
/// from 0.
#[derive(Debug, Default)]
pub struct LinTso {
    next: u64,
}

impl Service for LinTso {
    fn handle(&mut self, _: Duration, _: &str, body: &str, _: &mut Rng) -> Option<String> {
        (Fields::read(body)?.kind == "ts").then(|| {
            let ts = self.next;
            self.next += 1;
            json!({"type": "ts_ok", "ts": ts}).to_string()
        })
    }
}
