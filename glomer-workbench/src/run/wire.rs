//! The lines that nodes read and write.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A message that a node wrote.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who it says sent it.
    pub src: Cow<'a, str>,
    /// Whom it is for.
    pub dest: Cow<'a, str>,
    /// The body, as it was written.
    pub body: &'a str,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// It is not JSON.
    NotJson(String),
    /// There is nothing in it.
    Empty,
    /// It begins with a byte order mark, which JSON does not have.
    ByteOrderMark,
    /// It is JSON, and not a message.
    Malformed(String),
}

/// What a line holds, each field still as it was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    src: &'a RawValue,
    #[serde(borrow)]
    dest: &'a RawValue,
    #[serde(borrow)]
    body: &'a RawValue,
    /// Allowed and without a meaning, as in Maelstrom.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// A field that is there, be it null.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(field).map(Some)
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn name<'a>(field: &str, value: &'a RawValue) -> Result<Cow<'a, str>, LineError> {
    match serde_json::from_str(value.get()) {
        Ok(Name(name)) => Ok(name),
        Err(_) => Err(unfit(field, "a string", value)),
    }
}

fn unfit(field: &str, expected: &str, value: &RawValue) -> LineError {
    let value = match value.get() {
        null @ "null" => null.to_owned(),
        text => cut(text, 40),
    };
    LineError::Malformed(format!("its {field} should be {expected} and is {value}"))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads a line, without its line break, that a node wrote.
///
/// # Errors
/// As Maelstrom demands it, a message has a `src`, a `dest` and a `body` that is a map, and
/// besides them at most an integer `id`.
pub fn parse(line: &[u8]) -> Result<Message<'_>, LineError> {
    let line = std::str::from_utf8(line).map_err(|error| LineError::NotJson(error.to_string()))?;
    if line.trim().is_empty() {
        return Err(LineError::Empty);
    }
    if line.starts_with('\u{feff}') {
        return Err(LineError::ByteOrderMark);
    }
    let not_json = |error: serde_json::Error| LineError::NotJson(error.to_string());
    // Serde takes a list for a struct, field by field.
    if !line.trim_start().starts_with('{') {
        let value: &RawValue = serde_json::from_str(line).map_err(not_json)?;
        let value = cut(value.get(), 40);
        return Err(LineError::Malformed(format!(
            "a message is a map, and this is {value}"
        )));
    }
    let message: Envelope<'_> = serde_json::from_str(line).map_err(|error| {
        if !error.is_data() {
            return not_json(error);
        }
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text);
        LineError::Malformed(cut(reason, 200))
    })?;
    let (src, dest) = (name("src", message.src)?, name("dest", message.dest)?);
    if let Some(id) = message.id
        && !is_integer(id.get())
    {
        return Err(unfit("id", "an integer", id));
    }
    if !message.body.get().starts_with('{') {
        return Err(unfit("body", "a map", message.body));
    }
    Ok(Message {
        src,
        dest,
        body: message.body.get(),
    })
}

fn is_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends a message as a node reads it, with its line break.
///
/// Names are those of nodes, clients and services, which need no escapes.
pub fn write(out: &mut Vec<u8>, id: u64, src: &str, dest: &str, body: &str) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.to_string().as_bytes());
    for (key, name) in [(",\"src\":\"", src), ("\",\"dest\":\"", dest)] {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(b"\",\"body\":");
    out.extend_from_slice(body.as_bytes());
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_there_and_back() {
        let mut line = Vec::new();
        write(
            &mut line,
            7,
            "n1",
            "c2",
            r#"{"type":"read_ok","value":"\n"}"#,
        );
        assert_eq!(line.pop(), Some(b'\n'));
        let message = parse(&line).unwrap();
        assert_eq!((&*message.src, &*message.dest), ("n1", "c2"));
        assert_eq!(message.body, r#"{"type":"read_ok","value":"\n"}"#);
    }

    #[test]
    fn other_lines_are_told_apart() {
        let malformed = |line: &str| match parse(line.as_bytes()) {
            Err(LineError::Malformed(reason)) => reason,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(
            malformed(r#"{"dest":"n1","body":{}}"#),
            "missing field `src`"
        );
        for (line, reason) in [
            (
                r#"{"src":"n1","dest":"n2","body":[]}"#,
                "its body should be a map and is []",
            ),
            (
                r#"{"src":null,"dest":"n2","body":{}}"#,
                "its src should be a string and is null",
            ),
            (
                r#"{"src":"n1","dest":2,"body":{}}"#,
                "its dest should be a string and is 2",
            ),
            (
                r#"{"src":"n1","dest":"n2","body":{},"id":null}"#,
                "its id should be an integer and is null",
            ),
            (
                r#"{"src":"n1","dest":"n2","body":{},"id":1.0}"#,
                "its id should be an integer and is 1.0",
            ),
            (
                r#"["n1","n2",{"type":"echo_ok"}]"#,
                r#"a message is a map, and this is ["n1","n2",{"type":"echo_ok"}]"#,
            ),
            ("12", "a message is a map, and this is 12"),
        ] {
            assert_eq!(malformed(line), reason);
        }
        assert!(
            malformed(r#"{"src":"a","dest":"b","body":{},"x":1}"#).contains("unknown field `x`")
        );
        let long = format!(
            r#"{{"src":"{}","dest":[],"body":{{}}}}"#,
            "é".repeat(10_000)
        );
        assert_eq!(malformed(&long), "its dest should be a string and is []");
        let wide =
            r#"{"id":-1267650600228229401496703205377,"src":"a","dest":"b","body":{"n":[1.10]}}"#;
        assert_eq!(parse(wide.as_bytes()).unwrap().body, r#"{"n":[1.10]}"#);
        assert_eq!(parse(b"").unwrap_err(), LineError::Empty);
        assert_eq!(parse(b" \r").unwrap_err(), LineError::Empty);
        let marked = "\u{feff}{\"src\":\"n1\",\"dest\":\"n2\",\"body\":{}}";
        let marked = parse(marked.as_bytes()).unwrap_err();
        assert_eq!(marked, LineError::ByteOrderMark);
        let field = format!(
            r#"{{"src":"a","dest":"b","body":{{}},"{}":1}}"#,
            "x".repeat(10_000)
        );
        assert!(malformed(&field).chars().count() < 300);
        for line in [&b"hello"[..], b"{\"src\":\"n1\"", b"\xff\xfe"] {
            assert!(
                matches!(parse(line), Err(LineError::NotJson(_))),
                "{line:?}"
            );
        }
    }
}
