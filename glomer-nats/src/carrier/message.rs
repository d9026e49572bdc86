//! What messages look like, on either side of a carrier.

use std::borrow::Cow;

use glomer_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::services;

/// What the name of a client begins with; its reply subject follows.
///
/// So whoever has the name can answer, and a carrier need not remember its clients.
const CLIENT: &str = "c:";

/// Who sends `init`.
pub(super) const CARRIER: &str = "carrier";

/// A message, as nodes send and read them.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) src: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) dest: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) body: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// Reads a line; the error says what is wrong with it.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The type of the body, if it has one.
    pub(super) fn kind(&self) -> Option<Cow<'a, str>> {
        Some(serde_json::from_str::<Kind<'a>>(self.body.get()).ok()?.kind)
    }
}

/// The type of a body.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The reply subject of the client of this name, if it is one's name.
pub(super) fn reply_subject(name: &str) -> Option<&str> {
    name.strip_prefix(CLIENT)
}

/// Whether a service is called `name`: links break its answers as they break what nodes send.
pub(super) fn is_service(name: &str) -> bool {
    services::NAMES.contains(&name)
}

/// What of a client's request has to be known.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(rename = "type", borrow)]
    _kind: Cow<'a, str>,
    #[serde(borrow)]
    msg_id: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Reads a body.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(body).map_err(|error| {
            Error::malformed_request(format!(
                "this is no body: {error}. Send a JSON object with a `type`, such as \
                 {{\"type\": \"read\"}}, and nothing around it"
            ))
        })
    }

    /// What the answer to it has for `in_reply_to`.
    pub(super) fn msg_id(&self) -> Option<&'a str> {
        self.msg_id.map(RawValue::get)
    }

    /// Appends the message that it is to the node: from the client with this reply subject, and
    /// with a `msg_id`, without which nobody answers.
    pub(super) fn wrap(
        &self,
        reply: &str,
        node: &str,
        body: &[u8],
        msg_id: u64,
        out: &mut Vec<u8>,
    ) {
        let src = serde_json::Value::from(format!("{CLIENT}{reply}"));
        let dest = serde_json::Value::from(node);
        out.extend_from_slice(format!(r#"{{"src":{src},"dest":{dest},"body":"#).as_bytes());
        let start = body.iter().position(|byte| *byte == b'{');
        match (self.msg_id, start) {
            (None, Some(start)) => {
                // There is a `type`, so something comes after it.
                out.extend_from_slice(format!(r#"{{"msg_id":{msg_id},"#).as_bytes());
                push_line(&body[start + 1..], out);
            }
            _ => push_line(body, out),
        }
        out.push(b'}');
    }
}

/// Appends JSON as part of a line: a line feed in it is white space, and any other will do.
pub(super) fn push_line(json: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(json);
    for byte in &mut out[start..] {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
}

/// The body of an answer that is an error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<&'a RawValue>,
    code: u32,
    text: &'a str,
}

/// The body of an answer that is an error, to a request with this `msg_id`, if it had one.
pub(super) fn error_body(msg_id: Option<&RawValue>, error: &Error) -> Vec<u8> {
    let body = ErrorBody {
        kind: "error",
        in_reply_to: msg_id,
        code: error.code(),
        text: error.text(),
    };
    serde_json::to_vec(&body).expect("numbers and texts are JSON")
}
