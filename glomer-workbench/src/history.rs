//! Histories: what the clients and the nemesis did, in the order it happened.
//!
//! The notation is Jepsen's: `history.edn` holds one operation map a line (a vector of them is
//! read too), `history.jsonl` one JSON object a line with the same key names.

pub mod typed;

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};
use std::str::FromStr;

use serde_json::value::RawValue;

use crate::edn::{Edn, EdnError};

/// What an entry of a history says about its operation.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpType {
    /// The operation began.
    Invoke,
    /// It took effect.
    Ok,
    /// It did not, and never will, take effect.
    Fail,
    /// Nobody knows whether it did, or ever will.
    Info,
}

impl OpType {
    /// The name histories write, without a colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Invoke, Self::Ok, Self::Fail, Self::Info]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Who did it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client. One process has at most one operation under way.
    Client(u64),
    /// The nemesis, which injects the faults.
    Nemesis,
}

impl From<Process> for Edn {
    fn from(process: Process) -> Self {
        match process {
            Process::Client(number) => number.into(),
            Process::Nemesis => Self::kw("nemesis"),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "{number}"),
            Self::Nemesis => f.write_str("nemesis"),
        }
    }
}

/// An entry of a history: an operation's invocation or its completion.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its place in the history, from 0.
    pub index: usize,
    /// Nanoseconds since the start of the test.
    pub time: i64,
    /// Invocation or completion, and of which kind.
    pub kind: OpType,
    /// Who did it.
    pub process: Process,
    /// The function: `read`, `broadcast`, `txn`, ….
    pub f: String,
    /// What was asked for or, in a completion, what came back.
    pub value: Edn,
    /// Why it failed.
    pub error: Option<Edn>,
    /// Whether it belongs to the final phase, after recovery.
    pub is_final: bool,
    /// Further keys of the operation map, such as `:poll-ms`, in order.
    pub extra: Vec<(String, Edn)>,
}

impl Op {
    /// An entry without error and further keys, at index and time 0.
    pub fn new(kind: OpType, process: Process, f: impl Into<String>, value: Edn) -> Self {
        Self {
            index: 0,
            time: 0,
            kind,
            process,
            f: f.into(),
            value,
            error: None,
            is_final: false,
            extra: Vec::new(),
        }
    }

    /// The operation map, as histories hold it.
    pub fn to_edn(&self) -> Edn {
        let mut map = Edn::map([
            ("index", self.index.into()),
            ("time", self.time.into()),
            ("type", Edn::kw(self.kind.name())),
            ("process", self.process.into()),
            ("f", Edn::kw(&self.f)),
            ("value", self.value.clone()),
        ]);
        if self.is_final {
            map.insert("final?", true.into());
        }
        for (key, value) in &self.extra {
            map.insert(key, value.clone());
        }
        if let Some(error) = &self.error {
            map.insert("error", error.clone());
        }
        map
    }

    /// The operation as results print it: `#jepsen.history.Op{…}`.
    pub fn to_tagged(&self) -> Edn {
        Edn::Tagged("jepsen.history.Op".to_owned(), Box::new(self.to_edn()))
    }

    /// An operation from its map, or what is wrong with it. `:index` may be missing, it is then
    /// `default_index`, and so may `:time`, then 0.
    fn from_edn(map: &Edn, default_index: usize) -> Result<Self, String> {
        let entries = match map {
            Edn::Tagged(_, map) => map.as_map(),
            map => map.as_map(),
        }
        .ok_or_else(|| format!("expected an operation map, found {}", Excerpt(map)))?;
        let mut op = Self::new(OpType::Invoke, Process::Nemesis, "", Edn::Nil);
        op.index = default_index;
        let (mut kind, mut process, mut f) = (None, None, None);
        for (key, value) in entries {
            let wrong =
                |expected| format!("{key} of {} is {value}, expected {expected}", Excerpt(map));
            match key
                .name()
                .ok_or_else(|| format!("the key {key} is not a keyword"))?
            {
                "index" => {
                    op.index = value
                        .as_int()
                        .and_then(|index| usize::try_from(index).ok())
                        .ok_or_else(|| wrong("a number from 0"))?;
                }
                "time" => op.time = value.as_int().ok_or_else(|| wrong("nanoseconds"))?,
                "type" => {
                    kind = Some(
                        value
                            .name()
                            .and_then(OpType::from_name)
                            .ok_or_else(|| wrong(":invoke, :ok, :fail or :info"))?,
                    );
                }
                "process" => {
                    process = Some(match value {
                        Edn::Int(number) if *number >= 0 => Process::Client(number.unsigned_abs()),
                        value if value.name() == Some("nemesis") => Process::Nemesis,
                        _ => return Err(wrong("a number from 0 or :nemesis")),
                    });
                }
                "f" => f = Some(value.name().ok_or_else(|| wrong("a keyword"))?.to_owned()),
                "value" => op.value = value.clone(),
                "error" => op.error = (!value.is_nil()).then(|| value.clone()),
                "final?" => op.is_final = value.as_bool() == Some(true),
                other => op.extra.push((other.to_owned(), value.clone())),
            }
        }
        let missing = |key| format!("{} has no {key}", Excerpt(map));
        op.kind = kind.ok_or_else(|| missing(":type"))?;
        op.process = process.ok_or_else(|| missing(":process"))?;
        op.f = f.ok_or_else(|| missing(":f"))?;
        Ok(op)
    }
}

/// As much of a value as a message can carry.
pub(crate) struct Excerpt<'a>(pub(crate) &'a Edn);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(160) {
            None => f.write_str(&text),
            Some((end, _)) => write!(f, "{}…", &text[..end]),
        }
    }
}

/// Why a history could not be read.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryError {
    /// The text is not EDN.
    Edn(EdnError),
    /// The text is not JSON: what is wrong and where.
    Json(String),
    /// An entry is not an operation, or does not fit those before it.
    Op {
        /// Its place in the history, from 0.
        position: usize,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edn(error) => error.fmt(f),
            Self::Json(message) => f.write_str(message),
            Self::Op { position, message } => write!(f, "operation {position}: {message}"),
        }
    }
}

impl std::error::Error for HistoryError {}

impl From<EdnError> for HistoryError {
    fn from(error: EdnError) -> Self {
        Self::Edn(error)
    }
}

/// All entries of a test, in the order they happened.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(pub Vec<Op>);

impl History {
    /// Reads a `history.edn`: operation maps one after another, or one vector or list of them.
    ///
    /// # Errors
    /// If the text is not EDN, an entry is not an operation, indices repeat or fall, a client
    /// completes what it did not invoke, or invokes while it still has an operation under way.
    pub fn from_edn(text: &str) -> Result<Self, HistoryError> {
        let mut values = Edn::parse_all(text)?;
        if let [Edn::Vector(ops) | Edn::List(ops)] = values.as_mut_slice() {
            values = std::mem::take(ops);
        }
        Self::from_maps(values)
    }

    /// Reads a `history.jsonl`: one JSON object after another, or one array of them.
    ///
    /// # Errors
    /// As [`History::from_edn`].
    pub fn from_jsonl(text: &str) -> Result<Self, HistoryError> {
        let mut maps = serde_json::Deserializer::from_str(text)
            .into_iter()
            .map(|value: serde_json::Result<&RawValue>| Edn::from_json(value?.get()))
            .collect::<Result<Vec<Edn>, serde_json::Error>>()
            .map_err(|error| HistoryError::Json(error.to_string()))?;
        if let [Edn::Vector(ops)] = maps.as_mut_slice() {
            maps = std::mem::take(ops);
        }
        Self::from_maps(maps)
    }

    fn from_maps(maps: Vec<Edn>) -> Result<Self, HistoryError> {
        let mut ops: Vec<Op> = Vec::with_capacity(maps.len());
        let mut under_way = HashSet::new();
        for (position, map) in maps.iter().enumerate() {
            let wrong = |message| HistoryError::Op { position, message };
            let next = ops.last().map_or(0, |op| op.index + 1);
            let op = Op::from_edn(map, next).map_err(wrong)?;
            if op.index < next {
                let index = op.index;
                return Err(wrong(format!("index {index} after index {}", next - 1)));
            }
            if let process @ Process::Client(number) = op.process {
                let fits = match op.kind {
                    OpType::Invoke => under_way.insert(process),
                    _ => under_way.remove(&process),
                };
                if !fits {
                    let state = match op.kind {
                        OpType::Invoke => "still has an operation under way",
                        _ => "completes an operation it did not invoke",
                    };
                    return Err(wrong(format!("process {number} {state}: {}", Excerpt(map))));
                }
            }
            ops.push(op);
        }
        Ok(Self(ops))
    }

    /// The history as `history.edn` holds it, one operation map a line.
    pub fn to_edn(&self) -> String {
        let mut text = String::new();
        for op in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}", op.to_edn());
        }
        text
    }

    /// The history as `history.jsonl` holds it, one JSON object a line.
    ///
    /// # Errors
    /// Never for an operation; the type is that of the JSON writer.
    pub fn to_jsonl(&self) -> serde_json::Result<String> {
        let mut text = String::new();
        for op in &self.0 {
            text.push_str(&serde_json::to_string(&op.to_edn())?);
            text.push('\n');
        }
        Ok(text)
    }

    /// The clients' invocations in order, each with its completion if it has one.
    pub fn pairs(&self) -> Vec<(&Op, Option<&Op>)> {
        let mut pairs: Vec<(&Op, Option<&Op>)> = Vec::with_capacity(self.0.len() / 2);
        let mut under_way = HashMap::new();
        for op in self.client_ops() {
            if op.kind == OpType::Invoke {
                under_way.insert(op.process, pairs.len());
                pairs.push((op, None));
            } else if let Some(at) = under_way.remove(&op.process) {
                pairs[at].1 = Some(op);
            }
        }
        pairs
    }

    /// The entries that are not the nemesis'.
    pub fn client_ops(&self) -> impl Iterator<Item = &Op> {
        self.0.iter().filter(|op| op.process != Process::Nemesis)
    }
}

/// Reads a history in EDN or, if its first key is a string, in JSON.
impl FromStr for History {
    type Err = HistoryError;

    fn from_str(text: &str) -> Result<Self, HistoryError> {
        let start = text.trim_start_matches(|c: char| c.is_whitespace() || "[{".contains(c));
        if start.starts_with('"') {
            Self::from_jsonl(text)
        } else {
            Self::from_edn(text)
        }
    }
}

/// Numbers the entries from 0 in the order given.
impl FromIterator<Op> for History {
    fn from_iter<T: IntoIterator<Item = Op>>(ops: T) -> Self {
        let mut ops: Vec<Op> = ops.into_iter().collect();
        for (index, op) in ops.iter_mut().enumerate() {
            op.index = index;
        }
        Self(ops)
    }
}
