//! The same node on many machines: messages over [NATS].
//!
//! A node that was written and broken with Glomer, or any program that speaks
//! [Maelstrom]'s protocol, runs here as a service on an existing system that
//! runs on many machines. What carries its messages is a *carrier*: it tells the
//! node `init`, brings it the messages that are for it, and publishes what it
//! sends.
//!
//! | what | subject |
//! | --- | --- |
//! | a message to the node `n1` of the cluster `shop` | `glomer.shop.node.n1` |
//! | a [request](control) to its carrier | `glomer.shop.control.n1` |
//! | which carriers there are | `glomer.shop.presence` |
//!
//! Messages between nodes are core NATS: at most once, as in Maelstrom's
//! network. A client is whoever publishes a body with a reply subject.
//!
//! `glomer-nats node` carries a program in any language; a Rust node can do without the pipes
//! between and [run] in its own process.
//!
//! [NATS]: https://nats.io
//! [Maelstrom]: https://github.com/jepsen-io/maelstrom

mod call;
mod carrier;
mod cli;
mod connect;
pub mod control;
mod ends;
mod in_process;
mod metrics;
mod node;
mod services;
mod subject;
mod up;
mod who;
mod wire;

pub use self::cli::command;
pub use self::in_process::{run, run_with};
pub use self::subject::{BadName, Cluster, Name};

/// What goes wrong here ends in a line for people.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[cfg(test)]
#[path = "../tests/nats/registers.rs"]
mod registers;
