//! EDN, the notation of histories and results: values, reading, printing, and the way to JSON.
//!
//! The crates that read EDN (`edn-format`, `edn-rs`) sort or hash their maps, refuse integers
//! beyond 64 bits and swap line and column in their errors; a history that is read and written
//! again must come out as it went in, so the reader is our own. The printer follows Fipp, the
//! pretty-printer Jepsen writes its results with, so a results map looks here as it looks there.

pub(crate) mod json;
mod print;
mod read;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

pub use read::EdnError;

/// An EDN value.
///
/// Equality, order and hash are Clojure's: maps and sets compare by content, not by the order of
/// their entries, while that order is kept for printing; an integer is equal to no float, however
/// they are written, and 0.0 is equal to -0.0. Unlike in Clojure, a list is never equal to a
/// vector, and NaN is equal to itself.
#[derive(Clone, Debug, Default)]
pub enum Edn {
    /// `nil`
    #[default]
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// An integer beyond 64 bits, as its decimal digits with an optional leading `-`.
    BigInt(String),
    /// A floating-point number. `1.5M`, an exact decimal in EDN, is read as one too.
    Float(f64),
    /// A character, `\a`.
    Char(char),
    /// A string, `"a"`.
    String(String),
    /// A keyword, without its colon.
    Keyword(String),
    /// A symbol.
    Symbol(String),
    /// `(1 2)`
    List(Vec<Edn>),
    /// `[1 2]`
    Vector(Vec<Edn>),
    /// `#{1 2}`, in the order it was written.
    Set(Vec<Edn>),
    /// `{:a 1}`, in the order it was written.
    Map(Vec<(Edn, Edn)>),
    /// `#tag value`, the tag without its `#`.
    Tagged(String, Box<Edn>),
}

impl Edn {
    /// The keyword `:name`.
    pub fn kw(name: impl Into<String>) -> Self {
        Self::Keyword(name.into())
    }

    /// A map from keyword names to values, in the order given.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Edn)>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (Self::kw(key), value))
                .collect(),
        )
    }

    /// A list of the values given.
    pub fn list<T: Into<Edn>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// A vector of the values given.
    pub fn vector<T: Into<Edn>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Vector(items.into_iter().map(Into::into).collect())
    }

    /// A single-precision number, which prints with the digits that single precision needs
    /// (Jepsen's fractions are `0.58965516`, not `0.5896551609039307`).
    pub fn float32(value: f32) -> Self {
        Self::Float(value.to_string().parse().unwrap_or(f64::from(value)))
    }

    /// The value under the keyword `:key` of a map, or under the string `"key"`, as maps that
    /// went through JSON have it.
    pub fn get(&self, key: &str) -> Option<&Edn> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(k, _)| matches!(k, Self::Keyword(name) | Self::String(name) if name == key))
                .map(|(_, value)| value),
            Self::Tagged(_, value) => value.get(key),
            _ => None,
        }
    }

    /// Adds an entry under the keyword `:key` at the end of a map, or replaces the one there.
    ///
    /// # Panics
    /// If this is not a map.
    pub fn insert(&mut self, key: &str, value: Edn) {
        let Self::Map(entries) = self else {
            panic!("insert into {self}, which is not a map");
        };
        match entries
            .iter_mut()
            .find(|(k, _)| matches!(k, Self::Keyword(name) if name == key))
        {
            Some(entry) => entry.1 = value,
            None => entries.push((Self::kw(key), value)),
        }
    }

    /// Takes the entry under the keyword `:key` or the string `"key"` out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Edn> {
        let Self::Map(entries) = self else {
            return None;
        };
        let at = entries.iter().position(
            |(k, _)| matches!(k, Self::Keyword(name) | Self::String(name) if name == key),
        )?;
        Some(entries.remove(at).1)
    }

    /// The text of a keyword, symbol or string: what the three have in common, since a keyword
    /// that went through JSON comes back as a string.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) | Self::Symbol(name) | Self::String(name) => Some(name),
            _ => None,
        }
    }

    /// The integer, if this is one of at most 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a list, vector or set.
    pub fn as_seq(&self) -> Option<&[Edn]> {
        match self {
            Self::List(items) | Self::Vector(items) | Self::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map.
    pub fn as_map(&self) -> Option<&[(Edn, Edn)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The same value as JSON, for `results.json` and `history.jsonl`.
    ///
    /// Keywords and symbols become strings without a colon, lists, vectors and sets become
    /// arrays, map keys become strings (numbers and collections in their EDN notation), tags
    /// are dropped. What such a value has no number for (`##Inf`, integers beyond 64 bits) becomes
    /// a string. Serializing the `Edn` itself keeps all digits of integers and the order of maps.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Nil => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::BigInt(digits) => match digits.parse::<u64>() {
                Ok(value) => value.into(),
                Err(_) => digits.as_str().into(),
            },
            Self::Float(value) if value.is_finite() => (*value).into(),
            Self::Float(_) | Self::Char(_) => self.json_key().into(),
            Self::String(text) | Self::Keyword(text) | Self::Symbol(text) => text.as_str().into(),
            Self::List(items) | Self::Vector(items) | Self::Set(items) => {
                items.iter().map(Self::to_json).collect()
            }
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.json_key(), value.to_json()))
                .collect(),
            Self::Tagged(_, value) => value.to_json(),
        }
    }

    fn json_key(&self) -> String {
        match self {
            Self::String(text) | Self::Keyword(text) | Self::Symbol(text) => text.clone(),
            Self::Char(c) => c.to_string(),
            other => other.to_string(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::BigInt(_) => 2,
            Self::Float(_) => 3,
            Self::Char(_) => 4,
            Self::String(_) => 5,
            Self::Keyword(_) => 6,
            Self::Symbol(_) => 7,
            Self::List(_) => 8,
            Self::Vector(_) => 9,
            Self::Set(_) => 10,
            Self::Map(_) => 11,
            Self::Tagged(..) => 12,
        }
    }
}

/// The number, and 0.0 for -0.0, which it equals.
fn one_zero(value: f64) -> f64 {
    value + 0.0
}

/// Orders two integers that are written in decimal.
fn compare_digits(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Some(a), Some(b)) => b.len().cmp(&a.len()).then_with(|| b.cmp(a)),
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    }
}

fn sorted<T: Ord>(items: &[T]) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_unstable();
    items
}

impl Ord for Edn {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::BigInt(a), Self::BigInt(b)) => compare_digits(a, b),
            (Self::Int(a), Self::BigInt(b)) => compare_digits(&a.to_string(), b),
            (Self::BigInt(a), Self::Int(b)) => compare_digits(a, &b.to_string()),
            (Self::Float(a), Self::Float(b)) => one_zero(*a).total_cmp(&one_zero(*b)),
            (Self::Char(a), Self::Char(b)) => a.cmp(b),
            (Self::String(a), Self::String(b))
            | (Self::Keyword(a), Self::Keyword(b))
            | (Self::Symbol(a), Self::Symbol(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) | (Self::Vector(a), Self::Vector(b)) => a.cmp(b),
            (Self::Set(a), Self::Set(b)) => sorted(a).cmp(&sorted(b)),
            (Self::Map(a), Self::Map(b)) => sorted(a).cmp(&sorted(b)),
            (Self::Tagged(a, x), Self::Tagged(b, y)) => a.cmp(b).then_with(|| x.cmp(y)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Edn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Edn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Edn {}

impl Hash for Edn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Nil => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Float(value) => one_zero(*value).to_bits().hash(state),
            Self::Char(c) => c.hash(state),
            Self::BigInt(text) | Self::String(text) | Self::Keyword(text) | Self::Symbol(text) => {
                text.hash(state)
            }
            Self::List(items) | Self::Vector(items) => items.hash(state),
            Self::Set(items) => sorted(items).hash(state),
            Self::Map(entries) => sorted(entries).hash(state),
            Self::Tagged(tag, value) => (tag, value).hash(state),
        }
    }
}

/// JSON as EDN: objects become maps with string keys, arrays vectors.
impl From<serde_json::Value> for Edn {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Int(value),
                (None, _) if number.is_u64() => Self::BigInt(number.to_string()),
                (None, Some(value)) => Self::Float(value),
                (None, None) => Self::BigInt(number.to_string()),
            },
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => Self::vector(items),
            serde_json::Value::Object(entries) => Self::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Self::String(key), value.into()))
                    .collect(),
            ),
        }
    }
}

impl From<bool> for Edn {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Edn {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i64> for Edn {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Edn {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

impl From<usize> for Edn {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<f64> for Edn {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Edn {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Edn {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// A vector.
impl<T: Into<Edn>> From<Vec<T>> for Edn {
    fn from(items: Vec<T>) -> Self {
        Self::vector(items)
    }
}

/// `None` is `nil`.
impl<T: Into<Edn>> From<Option<T>> for Edn {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}
