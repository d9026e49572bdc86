//! The services that Maelstrom provides to nodes: `seq-kv`, `lin-kv`, `lww-kv` and
//! `lin-tso`, with their deliberate weaknesses.
//!
//! They follow Maelstrom's `service.clj` in requests, replies, error codes and texts. One
//! thing differs: Maelstrom keeps the last 32 states of `seq-kv`, and a client further behind
//! than that may be sent back to a state older than one it has seen. Here it is not.

use crate::Rng;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash, Hasher};
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
        #[derive(Deserialize)]
        struct Numbered<'a> {
            #[serde(borrow)]
            msg_id: Option<&'a RawValue>,
        }
        let reply = self.handle(now, src, body, rng)?;
        let id = serde_json::from_str(body).ok();
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
        let step = Step::of(self.values.get(&request.key), &request, Flavour::Usual)?;
        if let Some(value) = step.written {
            self.values.insert(request.key, value);
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
        let key = &request.key;
        let seen = self.seen.get(src).copied().unwrap_or(0);
        let state = rng.range(seen.max(self.oldest())..self.latest + 1);
        let in_the_past = self.value(key, state);
        let mut step = Step::of(in_the_past, &request, Flavour::Usual)?;
        let seen = match &step.written {
            Some(value) if in_the_past != Some(value) => {
                step = Step::of(self.value(key, self.latest), &request, Flavour::Usual)?;
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
        let key = &request.key;
        let known = matches!(&*request.kind, "read" | "write" | "cas");
        if known && let Ok([source, dest]) = self.replicas.get_disjoint_mut([source, dest]) {
            dest.merge(source);
        }
        let replica = &mut self.replicas[answering];
        let current = replica.values.get(key).map(|(_, value)| value);
        let step = Step::of(current, &request, Flavour::LastWriteWins)?;
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

/// A request as it is written.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow)]
    create_if_not_exists: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    /// `None` when there is no such thing as the request's type.
    fn read(body: &'a str) -> Option<Fields<'a>> {
        serde_json::from_str(body).ok()
    }
}

/// A request to a key-value store. What is missing is null, as in Clojure.
struct Request<'a> {
    kind: Cow<'a, str>,
    key: Json,
    value: Json,
    from: Json,
    to: Json,
    create: bool,
}

impl<'a> Request<'a> {
    /// The request, or the reply that says what cannot be read.
    fn read(body: &'a str) -> Option<Result<Request<'a>, String>> {
        let fields = Fields::read(body)?;
        let value = |name: &str, value: Option<&RawValue>| {
            Json::read(value).map_err(|reason| {
                let text = format!("its {name} cannot be read: {reason}");
                json!({"type": "error", "code": 12, "text": text}).to_string()
            })
        };
        let request = || {
            Ok(Request {
                kind: fields.kind,
                key: value("key", fields.key)?,
                value: value("value", fields.value)?,
                from: value("from", fields.from)?,
                to: value("to", fields.to)?,
                // What Clojure takes for true: all but nil and false.
                create: fields
                    .create_if_not_exists
                    .is_some_and(|create| create.get() != "false"),
            })
        };
        Some(request())
    }
}

/// A value as it was written, equal to whatever Clojure's `=` takes for the same: numbers of one
/// kind by what they are worth, objects whatever the order of their keys.
///
/// `serde_json`'s own values round numbers beyond 64 bits, and its feature
/// `arbitrary_precision`, which does not, would be forced on the types of every user.
#[derive(Clone, Debug)]
struct Json {
    text: Box<str>,
    /// As Clojure prints it, for the texts of errors; the same text for equal values.
    edn: Box<str>,
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.edn == other.edn
    }
}

impl Eq for Json {}

impl Hash for Json {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.edn.hash(state);
    }
}

/// How deep arrays and objects may be nested, as for Maelstrom.
const MAX_DEPTH: usize = 1_000;

impl Json {
    fn read(value: Option<&RawValue>) -> Result<Json, String> {
        let mut edn = String::new();
        match value {
            None => edn.push_str("nil"),
            Some(value) => print(value.get(), &mut edn, 0)?,
        }
        Ok(Json {
            text: value.map_or("null", RawValue::get).into(),
            edn: edn.into(),
        })
    }

    /// As Clojure's `str` puts it into a text.
    fn plain(&self) -> Cow<'_, str> {
        match (self.text.starts_with('"'), &*self.text) {
            (true, text) => serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned),
            (false, "null") => Cow::Borrowed(""),
            (false, _) => Cow::Borrowed(&self.edn),
        }
    }
}

/// Prints JSON as Clojure prints the value. Loops, not iterators: each level takes as little of
/// the stack as it can.
fn print(json: &str, out: &mut String, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = parse(json)?;
            out.push('{');
            for (i, (key, value)) in fields.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(&json!(key).to_string());
                out.push(' ');
                print(value.get(), out, depth + 1)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = parse(json)?;
            out.push('[');
            for (i, value) in items.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                print(value.get(), out, depth + 1)?;
            }
            out.push(']');
        }
        Some(b'"') => out.push_str(&json!(parse::<String>(json)?).to_string()),
        Some(b'n') => out.push_str("nil"),
        Some(b't' | b'f') => out.push_str(json),
        _ if json == "-0" => out.push('0'),
        _ if json.contains(['.', 'e', 'E']) => {
            let float: f64 = json.parse().map_err(|error| format!("{json}: {error}"))?;
            // 0.0 and -0.0 are equal.
            out.push_str(&format!("{:?}", float + 0.0));
        }
        _ => out.push_str(json),
    }
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// What one key-value request does, given the value of its key.
struct Step {
    written: Option<Json>,
    reply: String,
}

/// In what small ways the stores differ in handling one request.
#[derive(PartialEq)]
enum Flavour {
    Usual,
    LastWriteWins,
}

impl Step {
    /// `None` when the request is not one that a key-value store knows.
    fn of(current: Option<&Json>, request: &Request<'_>, flavour: Flavour) -> Option<Step> {
        let write = |value: &Json, reply| Step {
            written: Some(value.clone()),
            reply: json!({ "type": reply }).to_string(),
        };
        let no_change = |reply| Step {
            written: None,
            reply,
        };
        let error = |code: u32, text: &str| {
            no_change(json!({"type": "error", "code": code, "text": text}).to_string())
        };
        let missing = || error(20, "key does not exist");
        Some(match (&*request.kind, current) {
            ("read", Some(value)) => {
                no_change(format!(r#"{{"type":"read_ok","value":{}}}"#, value.text))
            }
            ("read", None) => missing(),
            ("write", _) => write(&request.value, "write_ok"),
            ("cas", Some(value)) if *value == request.from => write(&request.to, "cas_ok"),
            ("cas", Some(value)) => {
                let from = match flavour {
                    Flavour::LastWriteWins => request.from.plain(),
                    Flavour::Usual => Cow::Borrowed(&*request.from.edn),
                };
                error(22, &format!("current value {} is not {from}", value.edn))
            }
            ("cas", None) if flavour == Flavour::Usual && request.create => {
                write(&request.to, "cas_ok")
            }
            ("cas", None) => missing(),
            _ => return None,
        })
    }
}
