//! The services that Maelstrom provides to nodes: `seq-kv`, `lin-kv`, `lww-kv` and
//! `lin-tso`, with their deliberate weaknesses.
//!
//! They follow Maelstrom's `service.clj` in requests, replies, error codes and texts. One
//! thing differs: Maelstrom keeps the last 32 states of `seq-kv`, and a client further behind
//! than that may be sent back to a state older than one it has seen. Here it is not.

use crate::Rng;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

/// Something on the network that answers requests by itself, such as a key-value store.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_runtime::sim::service::{LinKv, Service};
/// use serde_json::json;
/// use std::time::Duration;
///
/// let mut kv = LinKv::default();
/// let mut rng = Rng::seeded(42);
/// let body = json!({"type": "read", "key": "x", "msg_id": 1});
/// assert_eq!(
///     kv.answer(Duration::ZERO, "n0", &body, &mut rng).unwrap(),
///     json!({"type": "error", "code": 20, "text": "key does not exist", "in_reply_to": 1})
/// );
/// ```
pub trait Service: Send {
    /// Handles the body of one request and gives the body of the reply, without its
    /// `in_reply_to`; `None` when there is nothing to answer, which is what Maelstrom's
    /// services do with a request that they do not know.
    fn handle(&mut self, now: Duration, src: &str, body: &Value, rng: &mut Rng) -> Option<Value>;

    /// [`handle`](Service::handle), with the `in_reply_to` that belongs to the request.
    fn answer(&mut self, now: Duration, src: &str, body: &Value, rng: &mut Rng) -> Option<Value> {
        let mut reply = self.handle(now, src, body, rng)?;
        reply["in_reply_to"] = body["msg_id"].clone();
        Some(reply)
    }
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
    values: HashMap<Value, Value>,
}

impl Service for LinKv {
    fn handle(&mut self, _: Duration, _: &str, body: &Value, _: &mut Rng) -> Option<Value> {
        let key = &body["key"];
        let step = Step::of(self.values.get(key), body, Flavour::Usual)?;
        if let Some(value) = step.written {
            self.values.insert(key.clone(), value);
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
    versions: HashMap<Value, VecDeque<(u64, Value)>>,
    /// The states kept that changed a key, and which; oldest first.
    changed: VecDeque<(u64, Value)>,
    /// The latest state that each client has seen.
    seen: HashMap<String, u64>,
}

/// How many states `seq-kv` keeps, the latest included.
const STATES_KEPT: u64 = 32;

impl SeqKv {
    /// The value of a key in a state.
    fn value(&self, key: &Value, state: u64) -> Option<&Value> {
        let versions = self.versions.get(key)?;
        let (_, value) = versions.iter().rev().find(|(since, _)| *since <= state)?;
        Some(value)
    }

    fn oldest(&self) -> u64 {
        (self.latest + 1).saturating_sub(STATES_KEPT)
    }

    /// Begins a new state and forgets the versions that only a state no longer kept had.
    fn advance(&mut self, change: Option<(&Value, Value)>) {
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
    fn handle(&mut self, _: Duration, src: &str, body: &Value, rng: &mut Rng) -> Option<Value> {
        let key = &body["key"];
        let seen = self.seen.get(src).copied().unwrap_or(0);
        let state = rng.range(seen.max(self.oldest())..self.latest + 1);
        let in_the_past = self.value(key, state);
        let mut step = Step::of(in_the_past, body, Flavour::Usual)?;
        let seen = match &step.written {
            Some(value) if in_the_past != Some(value) => {
                step = Step::of(self.value(key, self.latest), body, Flavour::Usual)?;
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
    values: HashMap<Value, (u64, Value)>,
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
    fn handle(&mut self, _: Duration, _: &str, body: &Value, rng: &mut Rng) -> Option<Value> {
        let any = || rng.below(REPLICAS as u64) as usize;
        let (source, dest, answering) = (any(), any(), any());
        let key = &body["key"];
        let known = matches!(body["type"].as_str(), Some("read" | "write" | "cas"));
        if known && let Ok([source, dest]) = self.replicas.get_disjoint_mut([source, dest]) {
            dest.merge(source);
        }
        let replica = &mut self.replicas[answering];
        let current = replica.values.get(key).map(|(_, value)| value);
        let step = Step::of(current, body, Flavour::LastWriteWins)?;
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
    fn handle(&mut self, _: Duration, _: &str, body: &Value, _: &mut Rng) -> Option<Value> {
        (body["type"] == "ts").then(|| {
            let ts = self.next;
            self.next += 1;
            json!({"type": "ts_ok", "ts": ts})
        })
    }
}

/// What one key-value request does, given the value of its key.
struct Step {
    written: Option<Value>,
    reply: Value,
}

/// In what small ways the stores differ in handling one request.
#[derive(PartialEq)]
enum Flavour {
    Usual,
    LastWriteWins,
}

impl Step {
    /// `None` when the request is not one that a key-value store knows.
    fn of(current: Option<&Value>, body: &Value, flavour: Flavour) -> Option<Step> {
        let write = |value: &Value, reply| Step {
            written: Some(value.clone()),
            reply: json!({ "type": reply }),
        };
        let no_change = |reply| Step {
            written: None,
            reply,
        };
        let missing =
            || no_change(json!({"type": "error", "code": 20, "text": "key does not exist"}));
        Some(match (body["type"].as_str()?, current) {
            ("read", Some(value)) => no_change(json!({"type": "read_ok", "value": value})),
            ("read", None) => missing(),
            ("write", _) => write(&body["value"], "write_ok"),
            ("cas", Some(value)) if *value == body["from"] => write(&body["to"], "cas_ok"),
            ("cas", Some(value)) => {
                let from = match (&flavour, &body["from"]) {
                    (Flavour::LastWriteWins, Value::String(text)) => text.clone(),
                    (Flavour::LastWriteWins, Value::Null) => String::new(),
                    (_, from) => edn(from),
                };
                let text = format!("current value {} is not {from}", edn(value));
                no_change(json!({"type": "error", "code": 22, "text": text}))
            }
            ("cas", None)
                if flavour == Flavour::Usual && is_true(&body["create_if_not_exists"]) =>
            {
                write(&body["to"], "cas_ok")
            }
            ("cas", None) => missing(),
            _ => return None,
        })
    }
}

/// What Clojure takes for true: all but nil and false.
fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// A value as Clojure prints it, for the texts of errors.
fn edn(value: &Value) -> String {
    fn print(value: &Value, out: &mut String) {
        match value {
            Value::Null => out.push_str("nil"),
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    print(item, out);
                }
                out.push(']');
            }
            Value::Object(fields) => {
                out.push('{');
                for (i, (key, item)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    let _ = write!(out, "{comma}{} ", Value::from(key.as_str()));
                    print(item, out);
                }
                out.push('}');
            }
            same_as_json => {
                let _ = write!(out, "{same_as_json}");
            }
        }
    }
    let mut out = String::new();
    print(value, &mut out);
    out
}
