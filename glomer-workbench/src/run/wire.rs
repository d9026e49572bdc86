//! The lines that nodes read and write.

use std::borrow::Cow;

use serde::Deserialize;
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
    /// It is JSON, and not a message.
    Malformed(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
    /// Allowed and without a meaning, as in Maelstrom.
    #[serde(default, rename = "id")]
    _id: Option<i64>,
}

/// Reads a line, without its line break, that a node wrote.
///
/// # Errors
/// As Maelstrom demands it, a message has a `src`, a `dest` and a `body` that is a map, and
/// besides them at most an integer `id`.
pub fn parse(line: &[u8]) -> Result<Message<'_>, LineError> {
    let line = std::str::from_utf8(line).map_err(|error| LineError::NotJson(error.to_string()))?;
    match serde_json::from_str::<Envelope<'_>>(line) {
        Ok(message) if message.body.get().starts_with('{') => Ok(Message {
            src: message.src,
            dest: message.dest,
            body: message.body.get(),
        }),
        Ok(_) => Err(LineError::Malformed("its body is not a map".to_owned())),
        Err(error) if error.is_data() => {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text);
            Err(LineError::Malformed(reason.to_owned()))
        }
        Err(error) => Err(LineError::NotJson(error.to_string())),
    }
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
        assert_eq!(
            malformed(r#"{"src":"n1","dest":"n2","body":[]}"#),
            "its body is not a map"
        );
        assert!(malformed(r#"{"src":"n1","dest":2,"body":{}}"#).contains("invalid type: integer"));
        assert!(
            malformed(r#"{"src":"a","dest":"b","body":{},"x":1}"#).contains("unknown field `x`")
        );
        assert!(malformed("[1]").contains("invalid"));
        for line in [&b"hello"[..], b"", b"{\"src\":\"n1\"", b"\xff\xfe"] {
            assert!(
                matches!(parse(line), Err(LineError::NotJson(_))),
                "{line:?}"
            );
        }
    }
}
