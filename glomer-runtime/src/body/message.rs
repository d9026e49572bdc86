//! Messages, bodies and replies as types.

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
