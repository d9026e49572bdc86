//! The command on a real nats-server.

mod call;
mod registers;
mod services;
mod support;
