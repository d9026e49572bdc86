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
//! # A try
//!
//! `glomer-nats up --nodes 3 -- PROGRAM` starts a nats-server, the services and three nodes on
//! this machine; `glomer-nats call n1 '{"type": "read"}'` asks one of them. On several machines,
//! each runs
//!
//! ```sh
//! glomer-nats node --server nats://10.0.0.1,nats://10.0.0.2 --cluster shop \
//!     --id n1 --nodes n1,n2,n3 -- PROGRAM ARGS
//! ```
//!
//! A Rust node can do without the pipes between, and [`run`] in its own process. The
//! [deployment] page goes from there to three machines, step by step. Nodes find Maelstrom's
//! [services] where `glomer-nats services` runs, and `glomer-nats test` runs the workbench's
//! workloads against the cluster, and [breaks](mod@test) it.
//!
//! # Clients
//!
//! A client is whoever publishes a body with a reply subject: `glomer-nats call`, or
//! `nats request glomer.shop.node.n1 '{"type": "read"}'`, or a program in any language. The reply
//! is the body of the answer. To the node, the client is called `c:` and its reply subject, so
//! that any node that is told the name can answer; a body without a `msg_id` is given one.
//!
//! | what a client is told | by whom | what it means |
//! | --- | --- | --- |
//! | no responders | NATS | nobody carries the node |
//! | error 11 | the carrier | not done: the node does not run, has not answered `init` yet, or does not read |
//! | error 12 | the carrier | not done: this is no body |
//! | error 13 | the carrier | nobody knows: the node ended before it answered, or its answer is longer than the server takes |
//! | nothing in time | | nobody knows |
//! | anything else | the node | |
//!
//! A client that wants to be sent more than answers subscribes to `glomer.shop.node.c1` and
//! publishes whole messages with `"src": "c1"`, as nodes do.
//!
//! # What becomes of messages
//!
//! Messages between nodes are core NATS, at most once, as in Maelstrom's network. A message is
//! dropped, counted by its reason, and told:
//!
//! | why | when |
//! | --- | --- |
//! | `disconnected` | there is no connection to the server; it comes back by itself |
//! | `down` | the node that it is for does not run, or has not answered `init` yet |
//! | `unread` | 32 MiB wait for the node already |
//! | `too_long` | it is longer than the server's `max_payload` (1 MiB unless set), or 16 MiB |
//! | `invalid` | it is no message, or for nobody that a subject can name |
//! | `cut`, `loss` | a [fault](control::Faults) |
//!
//! What a node writes while more than 4 MiB wait to be published stays in its pipe.
//!
//! # Names
//!
//! One carrier alone has a node: a second one is told so and ends, and so is one that has other
//! `--nodes` than those that run. To change them, end all carriers of the cluster first.
//!
//! # What to watch
//!
//! `--metrics ADDR` serves `glomer_messages_received_total`, `glomer_messages_sent_total`,
//! `glomer_messages_dropped_total` with a label `why`, `glomer_restarts_total`, and
//! `glomer_handler_seconds`, a histogram of the time from when the node was given a client's
//! request until it answered.
//!
//! [NATS]: https://nats.io
//! [Maelstrom]: https://github.com/jepsen-io/maelstrom

mod call;
mod carrier;
mod cli;
mod connect;
pub mod control;
pub mod deployment;
mod ends;
mod in_process;
mod metrics;
mod node;
pub mod services;
mod subject;
#[cfg(feature = "test")]
pub mod test;
mod up;
mod who;
mod wire;

pub use self::cli::Cli;
pub use self::in_process::{run, run_with};
pub use self::subject::{BadName, Cluster, Name};

/// What goes wrong here ends in a line for people.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[cfg(test)]
#[path = "../tests/nats/registers.rs"]
mod registers;
