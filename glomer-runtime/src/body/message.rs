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

    /// What a `<type>_ok` answer carries; `()` for nothing. It is read without
    /// the header, so what a handler can write as a reply an rpc can read.
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
/// `T` is what plain `serde_json` would read from the text of the body, with the
/// same value. Of the header (`type`, `msg_id`, `in_reply_to`) it is shown what
/// it asks for:
///
/// - A struct is shown the fields that it names, so one with
///   `#[serde(deny_unknown_fields)]` need not name any.
/// - An enum, as serde writes it unless told otherwise, is shown none: of a body
///   it reads the one field that is named like a variant.
/// - What takes whatever there is, such as a map, a `Value`, a struct with
///   `#[serde(flatten)]`, an untagged enum or one with a `#[serde(tag = "…")]`,
///   is shown all of it; a tag may well be `type`. With `deny_unknown_fields`
///   as well, such a type refuses every message, since each has a header.
///
/// An `Option` is `None`, and `()` or a struct without fields is itself, of a
/// body that has no other fields than those; so are they written.
///
/// In what is sent these fields are the runtime's to write, and left out. A
/// reply that is a struct with such a field is an error, since what it says
/// would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body<T>(pub T);
