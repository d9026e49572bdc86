//! JSON, read as EDN and written from it, digit for digit.
//!
//! `serde_json` keeps the digits of every number only with its feature `arbitrary_precision`,
//! which changes how a whole program's types are read, those of its users included. Here its
//! `RawValue` finds out where each value begins and ends, and numbers are read from their text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, de, ser};
use serde_json::value::RawValue;

use super::Edn;

/// How deep arrays and objects may be nested, as for Maelstrom.
pub(crate) const MAX_DEPTH: usize = 1_000;

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Edn {
    /// Reads one JSON value: objects become maps with string keys, sorted, and arrays vectors.
    /// Integers keep all their digits, and other numbers are the floats nearest to them.
    ///
    /// ```
    /// use glomer_workbench::edn::Edn;
    ///
    /// let edn = Edn::from_json(r#"{"wide": 1267650600228229401496703205377, "n": [1, 1.10]}"#)?;
    /// assert_eq!(edn.to_string(), r#"{"n" [1 1.1], "wide" 1267650600228229401496703205377N}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not JSON, or nested deeper than 1000 levels.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        read(serde_json::from_str(text)?, 0)
    }
}

/// Loops, not iterators: each level takes as little of the stack as it can.
fn read(value: &RawValue, depth: usize) -> Result<Edn, serde_json::Error> {
    if depth > MAX_DEPTH {
        let error = format!("nested deeper than {MAX_DEPTH} levels");
        return Err(de::Error::custom(error));
    }
    let text = value.get();
    Ok(match text.as_bytes()[0] {
        b'{' => {
            let fields: BTreeMap<Key<'_>, &RawValue> = serde_json::from_str(text)?;
            let mut entries = Vec::with_capacity(fields.len());
            for (Key(key), value) in fields {
                entries.push((Edn::String(key.into_owned()), read(value, depth + 1)?));
            }
            Edn::Map(entries)
        }
        b'[' => {
            let values: Vec<&RawValue> = serde_json::from_str(text)?;
            let mut items = Vec::with_capacity(values.len());
            for value in values {
                items.push(read(value, depth + 1)?);
            }
            Edn::Vector(items)
        }
        b'"' => Edn::String(serde_json::from_str(text)?),
        b'n' => Edn::Nil,
        b't' => Edn::Bool(true),
        b'f' => Edn::Bool(false),
        _ => match text.parse() {
            Ok(integer) => Edn::Int(integer),
            Err(_) if text.contains(['.', 'e', 'E']) => {
                Edn::Float(text.parse().map_err(de::Error::custom)?)
            }
            Err(_) => Edn::BigInt(text.to_owned()),
        },
    })
}

impl Serialize for Edn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::List(items) | Self::Vector(items) | Self::Set(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&key.json_key(), value)?;
                }
                map.end()
            }
            Self::Tagged(_, value) => value.serialize(serializer),
            Self::BigInt(digits) => RawValue::from_string(digits.clone())
                .map_err(ser::Error::custom)?
                .serialize(serializer),
            scalar => scalar.to_json().serialize(serializer),
        }
    }
}
