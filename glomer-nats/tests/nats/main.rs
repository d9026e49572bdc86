//! The command on a real nats-server.

mod call;
mod faults;
mod node;
mod registers;
mod services;
mod support;
