//! A lock service: `n0` keeps the locks, and the other nodes ask it.
//!
//! With the argument `each`, every node keeps locks of its own, which is wrong.

use std::collections::BTreeSet;

use glomer_runtime::prelude::*;

/// What a node knows.
#[derive(Default)]
pub(crate) struct Server {
    taken: BTreeSet<u64>,
}

const KEEPER: &str = "n0";

fn keeps(cx: &Context) -> bool {
    cx.node_id() == KEEPER || std::env::args().any(|arg| arg == "each")
}

/// Takes a lock, if nobody has it.
#[handler("acquire", reply = "granted")]
pub(crate) async fn acquire(
    server: &Shared<Server>,
    cx: &Context,
    lock: u64,
) -> Result<bool, Error> {
    if keeps(cx) {
        Ok(server.with(|server| server.taken.insert(lock)))
    } else {
        cx.rpc(KEEPER, Acquire { lock }).await
    }
}

/// Gives a lock back.
#[handler("release")]
pub(crate) async fn release(server: &Shared<Server>, cx: &Context, lock: u64) -> Result<(), Error> {
    if keeps(cx) {
        server.with(|server| server.taken.remove(&lock));
        Ok(())
    } else {
        cx.rpc(KEEPER, Release { lock }).await
    }
}
