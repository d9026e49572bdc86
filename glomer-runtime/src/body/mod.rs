//! What a body is: how it is read and written, the types that stand for one,
//! and the error that is one. `serde_json` reads and writes all JSON.

mod bounds;
mod error;
mod fields;
mod message;
pub(crate) mod read;
pub(crate) mod write;

pub use bounds::{Failure, Outcome, ReadBody, ReadField, ReadReply, Reply, SendField};
pub use error::Error;
pub use fields::Fields;
pub use message::{Body, Message};
