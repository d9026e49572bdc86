//! What one request to a key-value store does to the value of its key.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A request as it is written.
#[derive(Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
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
    pub(super) fn read(body: &'a str) -> Option<Fields<'a>> {
        serde_json::from_str(body).ok()
    }
}

/// A request to a key-value store, for a store that is kept elsewhere: which key it is about,
/// and what it does to its value. What is missing is null, as in Clojure.
///
/// ```
/// use glomer_runtime::sim::service::{Flavour, Request};
///
/// let write = Request::read(r#"{"type": "write", "key": "x", "value": 7}"#).unwrap()?;
/// let step = write.apply(None, Flavour::Usual);
/// assert_eq!(step.reply, r#"{"type":"write_ok"}"#);
/// let value = step.written.unwrap();
///
/// let read = Request::read(r#"{"type": "read", "key": "x"}"#).unwrap()?;
/// assert_eq!(read.key(), write.key());
/// let step = read.apply(Some(&value), Flavour::Usual);
/// assert_eq!(step.reply, r#"{"type":"read_ok","value":7}"#);
/// assert!(step.written.is_none());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct Request {
    key: Json,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Read,
    Write { value: Json },
    Cas { from: Json, to: Json, create: bool },
}

impl Request {
    /// The request in a body, `None` when that is not one that a key-value store knows.
    ///
    /// # Errors
    ///
    /// The body of the reply that says what cannot be read.
    pub fn read(body: &str) -> Option<Result<Request, String>> {
        Request::of(Fields::read(body)?).transpose()
    }

    fn of(fields: Fields<'_>) -> Result<Option<Request>, String> {
        let json = |name: &str, value: Option<&RawValue>| {
            Json::read(value.map_or("null", RawValue::get)).map_err(|reason| {
                let text = format!("its {name} cannot be read: {reason}");
                json!({"type": "error", "code": 12, "text": text}).to_string()
            })
        };
        let kind = match &*fields.kind {
            "read" => Kind::Read,
            "write" => Kind::Write {
                value: json("value", fields.value)?,
            },
            "cas" => Kind::Cas {
                from: json("from", fields.from)?,
                to: json("to", fields.to)?,
                // What Clojure takes for true: all but nil and false.
                create: fields
                    .create_if_not_exists
                    .is_some_and(|create| create.get() != "false"),
            },
            _ => return Ok(None),
        };
        let key = json("key", fields.key)?;
        Ok(Some(Request { key, kind }))
    }

    /// The key that the request is about.
    pub fn key(&self) -> &Json {
        &self.key
    }

    /// What the request does, given the value of its key.
    pub fn apply(&self, current: Option<&Json>, flavour: Flavour) -> Step {
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
        match (&self.kind, current) {
            (Kind::Read, Some(value)) => {
                no_change(format!(r#"{{"type":"read_ok","value":{}}}"#, value.text))
            }
            (Kind::Write { value }, _) => write(value, "write_ok"),
            (Kind::Cas { from, to, .. }, Some(value)) if value == from => write(to, "cas_ok"),
            (Kind::Cas { from, .. }, Some(value)) => {
                let from = match flavour {
                    Flavour::LastWriteWins => from.plain(),
                    Flavour::Usual => Cow::Borrowed(&*from.edn),
                };
                error(22, &format!("current value {} is not {from}", value.edn))
            }
            (Kind::Cas { to, create, .. }, None) if flavour == Flavour::Usual && *create => {
                write(to, "cas_ok")
            }
            (Kind::Read | Kind::Cas { .. }, None) => missing(),
        }
    }
}

/// What a request does.
#[derive(Debug)]
pub struct Step {
    /// The new value; `None` when nothing is written.
    pub written: Option<Json>,
    /// The body of the reply, without its `in_reply_to`.
    pub reply: String,
}

/// In what small ways the stores differ in handling one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `lin-kv` and `seq-kv`.
    Usual,
    /// `lww-kv`, which ignores `create_if_not_exists`.
    LastWriteWins,
}

/// A value as it was written, equal to whatever Clojure's `=` takes for the same: numbers of one
/// kind by what they are worth, objects whatever the order of their keys.
///
/// `serde_json`'s own values round numbers beyond 64 bits, and its feature
/// `arbitrary_precision`, which does not, would be forced on the types of every user.
#[derive(Clone, Debug)]
pub struct Json {
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
    /// The value that a text of JSON is.
    ///
    /// # Errors
    ///
    /// What cannot be read of it, in words.
    pub fn read(text: &str) -> Result<Json, String> {
        let text = parse::<&RawValue>(text)?.get();
        let mut edn = String::new();
        print(text, &mut edn, 0)?;
        Ok(Json {
            text: text.into(),
            edn: edn.into(),
        })
    }

    /// The value as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value as Clojure prints it: the same text for equal values.
    pub fn printed(&self) -> &str {
        &self.edn
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
