//! Messages, bodies and replies as types.

use std::any::TypeId;
use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::Error;
use crate::wire;

/// A type of message: what it is called on the wire and what answers it.
///
/// [`#[handler]`](crate::handler) implements this for the struct that it makes
/// of a handler's parameters. Implement it by hand for messages that other
/// programs handle:
///
/// ```
/// use glomer_runtime::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct Lookup {
///     key: String,
/// }
///
/// #[derive(Deserialize)]
/// struct Found {
///     value: u64,
/// }
///
/// impl Message for Lookup {
///     const TYPE: &'static str = "lookup";
///     type Reply = Found;
/// }
///
/// let cx = Context::mock("n1", ["n1", "n2"]);
/// cx.send("n2", Lookup { key: "a".into() });
/// assert_eq!(cx.sent()[0].body["type"], "lookup");
/// ```
pub trait Message {
    /// The `type` of the body.
    const TYPE: &'static str;

    /// The one field of the answer that carries the [`Reply`](Self::Reply);
    /// `None` if the answer's fields are the reply's own.
    const REPLY_FIELD: Option<&'static str> = None;

    /// What a `<type>_ok` answer carries; `()` for nothing.
    type Reply: 'static;
}

/// As a parameter of a handler, the whole body of the message as a `T`.
///
/// ```
/// use glomer_runtime::prelude::*;
/// use serde_json::Value;
///
/// #[handler("echo")]
/// fn echo(Body(body): Body<Value>) -> Value {
///     body
/// }
/// ```
///
/// The fields of the header (`type`, `msg_id`, `in_reply_to`) are there to be
/// read; in what is sent they are the runtime's to write, and left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body<T>(pub T);

/// Reads the parameters of a message from its body.
pub(crate) fn decode<M: Message + DeserializeOwned>(body: &str) -> Result<M, Error> {
    serde_json::from_str(body).map_err(|error| {
        let cause = cause(&error);
        Error::malformed_request(match field_of(body, &error) {
            Some(field) => format!("`{}`: field `{field}`: {cause}", M::TYPE),
            None => format!("`{}`: {cause}", M::TYPE),
        })
    })
}

/// Reads the reply to an `M` from the body of its answer.
///
/// A wrong answer is a `crash`, since the request was acted on.
pub(crate) fn decode_reply<M>(body: &str) -> Result<M::Reply, Error>
where
    M: Message<Reply: DeserializeOwned>,
{
    // Serde reads `()` from null only, but any answer will do for it.
    let unit = TypeId::of::<M::Reply>() == TypeId::of::<()>();
    let value = match M::REPLY_FIELD {
        _ if unit => Some("null"),
        None => Some(body),
        Some(name) => wire::field(body, name),
    };
    let error = match value.map(serde_json::from_str) {
        Some(Ok(reply)) => return Ok(reply),
        Some(Err(error)) => error,
        None => serde::de::Error::missing_field(M::REPLY_FIELD.unwrap_or_default()),
    };
    let cause = cause(&error);
    let field = match M::REPLY_FIELD {
        Some(name) => value.map(|_| name.into()),
        None => field_of(body, &error),
    };
    Err(Error::crash(match field {
        Some(field) => format!("answer to `{}`: field `{field}`: {cause}", M::TYPE),
        None => format!("answer to `{}`: {cause}", M::TYPE),
    }))
}

/// What is wrong, without the position in a text that nobody sees.
fn cause(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text
}

/// The field of `body` that `error` is about, unless it names one itself.
fn field_of<'a>(body: &'a str, error: &serde_json::Error) -> Option<Cow<'a, str>> {
    wire::field_at(body, error.column())
}
