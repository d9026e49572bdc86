//! A node of the lock service.
//!
//! Whoever gets a lock gets a *token* with it, a number greater than those of all holders before,
//! and has the lock for the length of a lease. What the lock protects is kept by the nodes
//! themselves: a holder writes it with its token.
//!
//! Which node a client asks makes no difference. That node asks all others, and does what a
//! majority agrees to:
//!
//! - A node *promises* a lock if the token is greater than any it has promised or seen, and the
//!   lease of the last holder is over by its own clock.
//! - A node *accepts* a write if it has promised or seen no greater token.
//!
//! Any two majorities have a node in common. So once a majority has accepted a write with a
//! token, no write with a smaller one gets a majority any more, whatever the clocks say: that is
//! what the token is for. Clocks only decide how soon a lock can go to somebody else, and they
//! may be wrong. What a node has promised or seen is on its disk, since a promise that is
//! forgotten when the node is killed is none.

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::prelude::*;
use glomer_runtime::quorum;
use serde::{Deserialize, Serialize};

/// How long a holder has a lock, unless it gives it back before.
pub const LEASE: Duration = Duration::from_secs(1);

/// What a node knows.
#[derive(Debug, Default)]
pub struct Server {
    locks: BTreeMap<u64, Lock>,
    /// Whether its clients may write as long as their leases last by this node's clock, without
    /// a question to other nodes. That is wrong, since clocks are.
    trusts_its_clock: bool,
}

impl Server {
    /// A node that takes its own clock for the time.
    pub fn trusting_its_clock() -> Server {
        Server {
            trusts_its_clock: true,
            ..Server::default()
        }
    }
}

/// What a node knows of a lock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Lock {
    /// The greatest token it has promised or seen.
    token: u64,
    /// What was last written with a token.
    value: u64,
    /// When the lease of that token ends, by this node's clock.
    #[serde(skip)]
    leased_until: Duration,
    /// A token that another node has promised, if it is greater.
    #[serde(skip)]
    elsewhere: u64,
    /// The token that a client of this node was given, and until when it holds.
    #[serde(skip)]
    given: (u64, Duration),
}

/// Finds what was kept. How long leases have lasted is not known any more, so they begin anew.
#[handler("init")]
fn init(server: &mut Server, cx: &Context) -> Result<(), Error> {
    server.locks = cx.disk().load("locks")?.unwrap_or_default();
    for lock in server.locks.values_mut() {
        lock.leased_until = cx.now() + LEASE;
    }
    Ok(())
}

/// Asks for a lock. The answer is the token of its new holder; null if the lock is not to be had.
#[handler("acquire", reply = "token")]
pub async fn acquire(
    server: &Shared<Server>,
    cx: &Context,
    lock: u64,
) -> Result<Option<u64>, Error> {
    let until = cx.now() + LEASE;
    let nodes = cx.node_ids().len() as u64;
    let place = cx.node_ids().iter().position(|id| id == cx.node_id());
    let token = server.with(|server| {
        let known = server.locks.entry(lock).or_default();
        // No two nodes ever choose the same.
        let next = (known.token.max(known.elsewhere) / nodes + 1) * nodes;
        next + place.unwrap_or_default() as u64
    });
    // A node asks itself first, so that it never chooses this token again.
    if server.with(|server| promise(server, cx, lock, token)) != token {
        return Ok(None);
    }
    let calls = cx.peers().map(|peer| cx.rpc(peer, Promise { lock, token }));
    let others = quorum(cx.node_ids().len() / 2, calls).await?;
    Ok(server.with(|server| {
        let known = server.locks.entry(lock).or_default();
        let greatest = others.into_iter().fold(token, u64::max);
        known.elsewhere = known.elsewhere.max(greatest);
        let given = greatest == token && known.token == token;
        if given {
            known.given = (token, until);
        }
        given.then_some(token)
    }))
}

/// A node asks for the promise of a lock. The answer is the token that stands now: this one, or
/// another if the lock is not promised.
#[handler("promise", reply = "token")]
fn promise(server: &mut Server, cx: &Context, lock: u64, token: u64) -> u64 {
    let known = server.locks.entry(lock).or_default();
    if known.token < token && known.leased_until <= cx.now() {
        known.token = token;
        known.leased_until = cx.now() + LEASE;
        cx.disk().put("locks", &server.locks);
        return token;
    }
    // Never the same as was asked for, which would look like a promise.
    known.token.max(token + 1)
}

/// Writes what a lock protects. The answer is whether the write was accepted.
#[handler("write", reply = "accepted")]
pub async fn write(
    server: &Shared<Server>,
    cx: &Context,
    lock: u64,
    token: u64,
    value: u64,
) -> Result<bool, Error> {
    if server.with(|server| server.trusts_its_clock) {
        return Ok(server.with(|server| {
            let (given, until) = server.locks.entry(lock).or_default().given;
            given == token && cx.now() < until
        }));
    }
    if !server.with(|server| accept(server, cx, lock, token, value)) {
        return Ok(false);
    }
    let calls = cx
        .peers()
        .map(|peer| cx.rpc(peer, Accept { lock, token, value }));
    let others = quorum(cx.node_ids().len() / 2, calls).await?;
    Ok(others.into_iter().all(|accepted| accepted))
}

/// A node asks whether a write with this token may be done, and if so to do it.
#[handler("accept", reply = "accepted")]
fn accept(server: &mut Server, cx: &Context, lock: u64, token: u64, value: u64) -> bool {
    let known = server.locks.entry(lock).or_default();
    if token < known.token {
        return false;
    }
    if token > known.token {
        // The promise never came here.
        known.leased_until = cx.now() + LEASE;
    }
    (known.token, known.value) = (token, value);
    cx.disk().put("locks", &server.locks);
    true
}

/// Gives a lock back before its lease ends.
#[handler("release")]
pub fn release(server: &mut Server, cx: &Context, lock: u64, token: u64) {
    for peer in cx.peers() {
        cx.send(peer, End { lock, token });
    }
    end(server, cx, lock, token);
}

/// A lease is over. If this is lost, it ends by itself.
#[handler("end")]
fn end(server: &mut Server, cx: &Context, lock: u64, token: u64) {
    let known = server.locks.entry(lock).or_default();
    if known.token == token {
        known.leased_until = cx.now();
        known.given = (0, Duration::ZERO);
    }
}
