//! What the tests share.

mod cluster;
mod command;
mod server;

pub(crate) use self::cluster::{Asker, PLAIN, carrier, carriers};
pub(crate) use self::command::{Output, PATIENCE, Running, example, glomer_nats, until};
pub(crate) use self::server::{Server, free_port};
