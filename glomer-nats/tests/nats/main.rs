//! The command on a real nats-server.

mod call;
mod deployment;
mod faults;
mod in_process;
#[cfg(feature = "test")]
mod live;
mod machines;
mod node;
mod outages;
mod registers;
mod services;
mod support;
mod up;
