//! The command on a real nats-server.

mod call;
mod support;
