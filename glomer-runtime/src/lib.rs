//! The runtime of Glomer.

mod context;
mod core;
mod encode;
mod error;
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

/// What a node's source usually needs, and nothing else.
pub mod prelude {
    pub use crate::{Body, Context, Error, Message, Shared};
}

/// What the attributes expand to; not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::node::{Call, IntoReply, Tick};
    pub use crate::registry::{Every, Handler, Location, Registration};
    pub use inventory::submit;
    pub use serde;
}
