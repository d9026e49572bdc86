//! The runtime of Glomer.

mod bounds;
mod context;
mod core;
mod encode;
mod error;
mod fields;
mod kv;
pub mod log;
mod message;
mod node;
mod panic;
mod registry;
mod retry;
mod rng;
mod shared;
pub mod sim;
mod stdio;
mod wire;

pub use crate::context::{Context, Rpc, Sent, Sleep};
pub use crate::error::Error;
pub use crate::kv::{Kv, Tso};
pub use crate::message::{Body, Message};
pub use crate::node::{Init, Node};
pub use crate::registry::StartError;
pub use crate::retry::Backoff;
pub use crate::rng::Rng;
pub use crate::shared::Shared;
pub use crate::stdio::{run, run_with};
pub use glomer_macros::{every, handler};

/// What a node's source usually needs, and nothing else.
pub mod prelude {
    pub use crate::{Body, Context, Error, Message, Shared, every, handler};
}

/// What the attributes expand to; not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::bounds::{Failure, Outcome, ReadBody, ReadField, Reply, SendField};
    pub use crate::fields::Fields;
    pub use crate::message::{Body, Message};
    pub use crate::node::{Call, Tick};
    pub use crate::registry::{Every, Handler, Location, Registration};
    pub use inventory::submit;
    pub use serde::{self, Deserialize, Deserializer, Serialize, Serializer};
    pub use std::option::Option::{self, Some};
    pub use std::result::Result;
    pub use std::time::Duration;
}
