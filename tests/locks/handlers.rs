//! A lock service: `n0` keeps the locks, and the other nodes ask it.
//!
//! A server may keep locks of its own whatever its name, which is wrong.

use std::collections::BTreeSet;

use glomer_runtime::prelude::*;

/// What a node knows.
#[derive(Default)]
pub(crate) struct Server {
    /// Whether it keeps locks of its own, whatever its name.
    pub(crate) each: bool,
    pub(crate) taken: BTreeSet<u64>,
}

const KEEPER: &str = "n0";

impl Server {
    fn keeps(server: &Shared<Server>, cx: &Context) -> bool {
        cx.node_id() == KEEPER || server.with(|server| server.each)
    }
}

/// Takes a lock, if nobody has it.
#[handler("acquire", reply = "granted")]
pub(crate) async fn acquire(
    server: &Shared<Server>,
    cx: &Context,
    lock: u64,
) -> Result<bool, Error> {
    if Server::keeps(server, cx) {
        Ok(server.with(|server| server.taken.insert(lock)))
    } else {
        cx.rpc(KEEPER, Acquire { lock }).await
    }
}

/// Gives a lock back.
#[handler("release")]
pub(crate) async fn release(server: &Shared<Server>, cx: &Context, lock: u64) -> Result<(), Error> {
    if Server::keeps(server, cx) {
        server.with(|server| server.taken.remove(&lock));
        Ok(())
    } else {
        cx.rpc(KEEPER, Release { lock }).await
    }
}
