//! What the tests share.

mod command;
mod server;

pub(crate) use self::command::Output;
pub(crate) use self::server::Server;
