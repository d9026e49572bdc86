//! lin-kv: a linearizable key-value store, replicated with Raft.
//!
//! Workbench: cargo glomer test -w lin-kv --example lin_kv --node-count 3 --concurrency 4n --time-limit 30 --rate 30 --nemesis partition
//! Maelstrom: maelstrom test -w lin-kv --bin target/release/examples/lin_kv --node-count 3 --concurrency 4n --time-limit 30 --rate 30 --nemesis partition
//!
//! This file takes the clients' requests and sees to it that each takes place
//! once; `raft.rs` agrees on a log with the other nodes; `log.rs` and `machine.rs`
//! are the log and what is computed from it; `roster.rs` says who counts.
//!
//! What is promised. A node keeps its term, its vote, the log and the store on its
//! disk. Answers are linearizable whatever the network does and whichever nodes are
//! killed, any and all, at whatever time. The cluster is available while a majority
//! of nodes count and reach each other. A node that was killed counts again as soon
//! as it runs. One that has lost its disk, or kept everything in memory for want of
//! one, has lost what it knew: it counts again once those that count have admitted
//! it, so the cluster survives any number of these, one after the other. If a
//! majority loses its disks before it can be replaced, what they kept may be gone
//! with them, and the rest answers no more; and if a node loses its disk in the first
//! moment of a cluster, before all have greeted all, the cluster does not begin. In
//! both cases all nodes have to be started anew, with nothing in the store.

mod log;
mod machine;
mod raft;
mod roster;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use machine::{Answer, Change, Command, Id, Order};
use raft::Raft;

/// How long a node tries to get a request through.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a node asks the leader to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Request {
    Read { key: Value },
    Order(Order),
}

#[handler("read", reply = "value")]
async fn read(raft: &Shared<Raft>, cx: &Context, key: Value) -> Result<Value, Error> {
    match ask_leader(raft, cx, Request::Read { key }).await? {
        Answer::Read(value) => Ok(value),
        other => Err(refusal(other)),
    }
}

#[handler("write")]
async fn write(raft: &Shared<Raft>, cx: &Context, key: Value, value: Value) -> Result<(), Error> {
    change(raft, cx, Change::Write { key, value }).await
}

#[handler("cas")]
async fn cas(
    raft: &Shared<Raft>,
    cx: &Context,
    key: Value,
    from: Value,
    to: Value,
) -> Result<(), Error> {
    change(raft, cx, Change::Cas { key, from, to }).await
}

async fn change(raft: &Shared<Raft>, cx: &Context, change: Change) -> Result<(), Error> {
    let order = raft.with(|raft| {
        let session = raft.session();
        let (number, oldest) = raft.requests.begin();
        let id = Id { session, number };
        Order { id, oldest, change }
    });
    let number = order.id.number;
    let answer = ask_leader(raft, cx, Request::Order(order)).await;
    raft.with(|raft| raft.requests.end(number));
    match answer? {
        Answer::Changed => Ok(()),
        other => Err(refusal(other)),
    }
}

fn refusal(answer: Answer) -> Error {
    match answer {
        Answer::NoSuchKey => Error::key_does_not_exist("there is no such key"),
        Answer::Different(value) => Error::precondition_failed(format!("the value is {value}")),
        other => Error::crash(format!("the leader answered {other:?}")),
    }
}

/// The changes that this node has asked for and has no answer to.
#[derive(Default)]
struct Requests {
    last: u64,
    open: BTreeSet<u64>,
}

impl Requests {
    /// A new number, and the lowest that is still of interest.
    fn begin(&mut self) -> (u64, u64) {
        self.last += 1;
        self.open.insert(self.last);
        (self.last, self.open.first().copied().unwrap_or(self.last))
    }

    fn end(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

/// Gets a request to whoever leads, and tries again while that is unknown or
/// changes. The leader does a change only once, however often it is asked.
async fn ask_leader(raft: &Shared<Raft>, cx: &Context, request: Request) -> Result<Answer, Error> {
    let deadline = cx.now() + PATIENCE;
    let mut error = Error::temporarily_unavailable("there is no leader");
    loop {
        if let Some(leader) = raft.with(|raft| raft.leader()) {
            let request = request.clone();
            let answer = if leader == cx.node_id() {
                execute(raft, cx, request).await
            } else {
                cx.rpc(leader, Execute { request }).await
            };
            match answer {
                Ok(answer) => return Ok(answer),
                // Once it was sent, it may take place, now or later.
                Err(cause) => error = Error::timeout(format!("the leader: {cause}")),
            }
        }
        if cx.now() >= deadline {
            return Err(error);
        }
        let pause = Duration::from_millis(cx.rng().range(20..60));
        cx.sleep(pause).await;
    }
}

/// Does a request as the leader.
#[handler("execute", reply = "answer")]
async fn execute(raft: &Shared<Raft>, cx: &Context, request: Request) -> Result<Answer, Error> {
    let no_leader = || Error::temporarily_unavailable("this node does not lead");
    match request {
        Request::Read { key } => {
            let ticket = raft
                .with(|raft| raft.begin_read(cx))
                .ok_or_else(no_leader)?;
            let confirmed = |raft: &mut Raft| match raft.is_confirmed(ticket) {
                Some(true) => Some(Ok(raft.machine.read(&key))),
                Some(false) => None,
                None => Some(Err(no_leader())),
            };
            until(raft, confirmed).await
        }
        Request::Order(order) => {
            let id = order.id;
            let command = Command::Order(order);
            let term = raft
                .with(|raft| raft.propose(cx, command))
                .ok_or_else(no_leader)?;
            let applied = |raft: &mut Raft| match raft.machine.answer(id) {
                Some(answer) => Some(Ok(answer)),
                None if raft.leads(term) => None,
                None => Some(Err(no_leader())),
            };
            until(raft, applied).await
        }
    }
}

/// Waits until there is something to be found in the state.
async fn until<T>(raft: &Shared<Raft>, mut find: impl FnMut(&mut Raft) -> Option<T>) -> T {
    poll_fn(|task| {
        raft.with(|raft| match find(raft) {
            Some(found) => Poll::Ready(found),
            None => {
                raft.waiting.push(task.waker().clone());
                Poll::Pending
            }
        })
    })
    .await
}

fn main() -> std::process::ExitCode {
    glomer_runtime::Stdio::new().disk_or_memory().run::<Raft>()
}

#[cfg(test)]
#[path = "../../tests/challenges/lin_kv.rs"]
mod tests;
