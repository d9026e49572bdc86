//! Requests and answers as bodies, for clients that are no nodes.
//!
//! ```
//! use glomer_runtime::{Error, client, prelude::*};
//!
//! #[handler("add", reply = "sum")]
//! fn add(one: u64, other: u64) -> u64 {
//!     one + other
//! }
//!
//! let body = client::request(&Add { one: 1, other: 2 })?;
//! assert_eq!(body.to_string(), r#"{"one":1,"other":2,"type":"add"}"#);
//!
//! let sum = client::reply::<Add>(r#"{"type": "add_ok", "in_reply_to": 1, "sum": 3}"#);
//! assert_eq!(sum, Ok(3));
//! # Ok::<(), Error>(())
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::body::read::{RawBody, decode_reply};
use crate::{Error, Message};

/// The body of a request, without a `msg_id`.
///
/// # Errors
/// If the message cannot be written as a JSON object.
pub fn request<M: Message + Serialize>(message: &M) -> Result<Value, Error> {
    let wrong =
        |error: &str| Error::malformed_request(format!("`{}` cannot be sent: {error}", M::TYPE));
    let mut body = match serde_json::to_value(message) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => Map::new(),
        Ok(other) => return Err(wrong(&format!("{other} is not an object"))),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    body.insert("type".to_owned(), M::TYPE.into());
    Ok(Value::Object(body))
}

/// The reply that the body of an answer to an `M` carries.
///
/// # Errors
/// If it has not the form of such a reply, which is a `crash`: the request was acted on.
pub fn reply<M>(body: &str) -> Result<M::Reply, Error>
where
    M: Message<Reply: DeserializeOwned>,
{
    let body = RawBody::of(body)
        .map_err(|error| Error::crash(format!("the answer is no body: {error}")))?;
    decode_reply::<M>(&body)
}
