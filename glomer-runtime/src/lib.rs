//! Write the nodes of a distributed system as annotated functions.
//!
//! A node is a state and functions that handle its messages. It speaks the
//! protocol of [Maelstrom]: JSON messages over standard input and output.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use glomer_runtime::prelude::*;
//!
//! #[derive(Default)]
//! struct State {
//!     messages: BTreeSet<u64>,
//! }
//!
//! #[handler("broadcast")]
//! fn broadcast(state: &mut State, cx: &Context, message: u64) {
//!     if state.messages.insert(message) {
//!         for peer in cx.peers() {
//!             cx.send(peer, Broadcast { message });
//!         }
//!     }
//! }
//!
//! #[handler("read", reply = "messages")]
//! fn read(state: &State) -> BTreeSet<u64> {
//!     state.messages.clone()
//! }
//!
//! #[handler("topology")]
//! fn topology(_: &State, topology: BTreeMap<String, Vec<String>>) {}
//!
//! fn main() -> std::process::ExitCode {
//!     # if true { return std::process::ExitCode::SUCCESS }
//!     glomer_runtime::run::<State>()
//! }
//! ```
//!
//! * [`#[handler]`](macro@handler) makes a function the handler of a type of
//!   message, and [`#[every]`](macro@every) has one run periodically.
//! * [`Context`] is what a handler may do: send, call, wait, look around, and
//!   keep things on a [disk](Context::disk).
//! * [`run`] drives the node with standard input and output, under Maelstrom
//!   or the workbench's `glomer test`.
//! * [`sim`] runs a whole cluster of the same nodes in virtual time, with
//!   faults, inside `cargo test`.
//! * [`Node`] is what both of them drive: the node without any IO.
//! * [`guide`] has it all, from echo to Raft.
//!
#![doc = include_str!("rules.md")]
//!
//! # What the runtime does with each line
//!
//! | input | behaviour |
//! | --- | --- |
//! | a request of a known type | its handler runs; one answer, `in_reply_to` its `msg_id` |
//! | a message without `msg_id` | its handler runs; no answer, whatever it returns |
//! | the answer to a pending rpc | completes it; an `error` body becomes `Err` |
//! | any other answer: unknown, late, twice, or any `…_ok` | ignored, told at level debug |
//! | an unknown type | error 10 not-supported, naming the type |
//! | a known type with a wrong body | error 12 malformed-request, naming the field and what was expected |
//! | anything before `init` | error 11 temporarily-unavailable |
//! | a handler panics | error 13 crash; handler, place and panic on standard error; the node lives on |
//! | no message at all: not JSON, no object, no body, no UTF-8 | one line on standard error; the node lives on |
//! | a line longer than the limit | refused with a line on standard error, without being kept |
//! | more than 65,536 handlers waiting, or more than 64 MiB of requests that they handle | error 11 temporarily-unavailable |
//! | end of input | all that was read is answered; whoever still waits, with error 0; exit code 0 |
//! | standard output closed | quiet exit |
//!
//! [Maelstrom]: https://github.com/jepsen-io/maelstrom

#![deny(clippy::print_stdout)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!(
    "glomer-runtime waits for input and deadlines as Unix systems do: build it for Linux or macOS; \
     on Windows, in the Windows Subsystem for Linux"
);

mod body;
pub mod client;
mod drive;
pub mod guide;
mod handler;
pub mod log;
mod node;
mod rng;
pub mod sim;
mod work;

pub use crate::body::{Body, Error, Message};
#[cfg(feature = "disk")]
pub use crate::drive::store;
pub use crate::drive::{Stdio, run, run_with};
pub use crate::handler::{
    Backoff, Context, Cut, Disk, Kv, Mock, Rpc, Sent, Shared, Sleep, Tso, quorum,
};
pub use crate::node::{Init, Node, StartError};
pub use crate::rng::Rng;
pub use crate::work::{Action, Batch, Contents, Outgoing, Output, Write, Writes};
pub use glomer_macros::{every, handler};

/// What a node's source usually needs, and nothing else.
pub mod prelude {
    pub use crate::{Body, Context, Error, Message, Shared, every, handler};
}

/// What the attributes expand to; not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::body::{
        Body, Failure, Fields, Message, Outcome, ReadBody, ReadField, ReadReply, Reply, SendField,
    };
    pub use crate::handler::{AnyType, Call, Every, Handler, Location, Tick, Type};
    pub use crate::node::Registration;
    pub use crate::{__as_reply as as_reply, __as_state as as_state};
    pub use inventory::submit;
    pub use serde::{self, Deserialize, Deserializer, Serialize, Serializer};
    pub use std::option::Option::{self, Some};
    pub use std::result::Result;
    pub use std::time::Duration;
}
