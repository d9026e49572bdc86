//! What the tests share.

mod command;
mod server;

pub(crate) use self::command::{Output, glomer_nats};
pub(crate) use self::server::Server;
