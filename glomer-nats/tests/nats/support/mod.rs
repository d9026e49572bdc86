//! What the tests share.

mod cluster;
mod command;
mod server;

pub(crate) use self::cluster::{Asker, PLAIN, carrier, carriers};
pub(crate) use self::command::{Output, Running, glomer_nats, tally};
pub(crate) use self::server::Server;
