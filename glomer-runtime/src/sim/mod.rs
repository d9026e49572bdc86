//! Whole clusters in virtual time: test a distributed system as if it were a function.
//!
//! A [`Cluster`] runs any number of nodes in one thread, with a network between them that
//! delays, loses and repeats messages, with Maelstrom's services beside them, and with clients
//! that ask them. The nodes are the very ones that [`run`](crate::run) drives, down to the
//! lines that they read and write; only the time is not real. A simulated minute takes as long
//! as its messages take to handle, about a microsecond each, and everything random follows
//! from a seed: a run that fails once fails again.
//!
//! # A first test
//!
//! A node that tells its peers all it knows, four times a second, should get every value
//! everywhere, partition or not:
//!
//! ```
//! use glomer_runtime::prelude::*;
//! use glomer_runtime::sim::{Cluster, Latency, ms, secs};
//! use std::collections::BTreeSet;
//!
//! #[derive(Default)]
//! struct State {
//!     messages: BTreeSet<u64>,
//! }
//!
//! #[handler("broadcast")]
//! fn broadcast(state: &mut State, message: u64) {
//!     state.messages.insert(message);
//! }
//!
//! #[every("250ms")]
//! fn gossip(state: &mut State, cx: &Context) {
//!     for peer in cx.peers() {
//!         let messages = state.messages.clone();
//!         cx.send(peer, Merge { messages });
//!     }
//! }
//!
//! #[handler("merge")]
//! fn merge(state: &mut State, messages: BTreeSet<u64>) {
//!     state.messages.extend(messages);
//! }
//!
//! #[handler("read", reply = "messages")]
//! fn read(state: &State) -> BTreeSet<u64> {
//!     state.messages.clone()
//! }
//!
//! // #[test]
//! fn survives_a_partition() {
//!     let mut cluster = Cluster::<State>::new(5)
//!         .seed(42)
//!         .latency(Latency::constant(ms(100)))
//!         .start();
//!     cluster.partition(["n0", "n1"], ["n2", "n3", "n4"]);
//!     cluster.call("n0", Broadcast { message: 7 }).unwrap();
//!     cluster.run_for(secs(5));
//!     assert!(!cluster.call("n4", Read {}).unwrap().contains(&7));
//!
//!     cluster.heal();
//!     cluster.run_for(secs(5));
//!     assert!(cluster.call("n4", Read {}).unwrap().contains(&7));
//! }
//! # survives_a_partition();
//! ```
//!
//! The nodes are called `n0` and on, the services `lin-kv`, `seq-kv`, `lww-kv` and `lin-tso`,
//! the clients `c1` and on.
//!
//! # Time
//!
//! Nothing happens until the test lets time pass, with [`run_for`](Cluster::run_for), with
//! [`run_until_quiet`](Cluster::run_until_quiet), or by waiting for an answer in
//! [`call`](Cluster::call) and [`wait`](Cluster::wait). Nodes themselves take no time;
//! messages between them do, and so do `sleep`, `after`, timeouts and `#[every]`. Messages of
//! clients arrive at once: latency there would only hide anomalies. Under Maelstrom they wait
//! behind what is under way to the node, and with [`Delivery::InTurn`] they do so here
//! ([`Builder::delivery`]).
//!
//! # Clients
//!
//! [`call`](Cluster::call) is a client that asks and waits, typed by the message that the
//! handler defines. For clients that ask at the same time there is
//! [`invoke`](Cluster::invoke), which only asks:
//!
//! ```
//! use glomer_runtime::prelude::*;
//! use glomer_runtime::sim::{Cluster, Latency, ms};
//!
//! #[derive(Default)]
//! struct Adder;
//!
//! #[handler("add", reply = "sum")]
//! async fn add(_: &Shared<Adder>, cx: &Context, delta: u64) -> Result<u64, Error> {
//!     let kv = cx.seq_kv();
//!     loop {
//!         let sum: u64 = kv.read_or("sum", 0).await?;
//!         match kv.cas_or_create("sum", sum, sum + delta).await {
//!             Err(error) if error.code() == 22 => continue,
//!             result => return result.map(|()| sum + delta),
//!         }
//!     }
//! }
//!
//! let mut cluster = Cluster::<Adder>::new(2).latency(Latency::uniform(ms(10))).start();
//! let (one, other) = (cluster.invoke("n0", Add { delta: 1 }), cluster.invoke("n1", Add { delta: 1 }));
//! let sums = [cluster.wait(one).unwrap(), cluster.wait(other).unwrap()];
//! assert!(sums == [1, 2] || sums == [2, 1], "no update is lost");
//!
//! // What a checker needs: who asked what and when, and what came of it.
//! let operation = &cluster.history()[0];
//! assert_eq!(operation.request::<Add>().unwrap().delta, 1);
//! assert_eq!(operation.reply::<Add>(), Some(Ok(sums[0])));
//! assert!(operation.completed.unwrap() > operation.invoked);
//! ```
//!
//! # Faults
//!
//! | fault | begins | ends |
//! | --- | --- | --- |
//! | messages between groups are dropped on arrival | [`partition`](Cluster::partition), [`partition_one_way`](Cluster::partition_one_way) | [`heal`](Cluster::heal) |
//! | messages are lost, or arrive twice | [`set_loss`](Cluster::set_loss), [`set_duplicate`](Cluster::set_duplicate) | the same with 0 |
//! | messages overtake each other | [`set_latency`](Cluster::set_latency) to a random one | the same to a constant one |
//! | one link is slow | [`set_link_latency`](Cluster::set_link_latency) | the same with `None` |
//! | all links are slow | [`slow`](Cluster::slow) | the same with 1 |
//! | a node stands still | [`pause`](Cluster::pause) | [`resume`](Cluster::resume) |
//! | a node's clock is fast or slow | [`skew`](Cluster::skew) | the same with 1 |
//! | a node's clock leaps ahead | [`leap`](Cluster::leap) | |
//! | a node dies and forgets all | [`crash`](Cluster::crash) | [`restart`](Cluster::restart) |
//!
//! Clients are spared: they are beside the nodes.
//!
//! # Many seeds
//!
//! One seed is one story. [`check`] tells a thousand of them, on all cores, and when one goes
//! wrong it fails as the smallest such seed does and says how to run that one alone:
//!
//! ```
//! use glomer_runtime::prelude::*;
//! use glomer_runtime::sim::{Cluster, Latency, check, ms, secs};
//!
//! #[derive(Default)]
//! struct Highest(u64);
//!
//! #[handler("put")]
//! fn put(state: &mut Highest, value: u64) {
//!     state.0 = state.0.max(value);
//! }
//!
//! #[every("50ms")]
//! fn gossip(state: &mut Highest, cx: &Context) {
//!     let peers: Vec<&str> = cx.peers().collect();
//!     if let Some(peer) = cx.rng().choose(&peers) {
//!         cx.send(peer, Put { value: state.0 });
//!     }
//! }
//!
//! #[handler("get", reply = "value")]
//! fn get(state: &Highest) -> u64 {
//!     state.0
//! }
//!
//! check(0..50, |seed| {
//!     let latency = Latency::exponential(ms(50));
//!     let mut cluster = Cluster::<Highest>::new(4).seed(seed).latency(latency).start();
//!     cluster.set_loss(0.3);
//!     cluster.call("n0", Put { value: seed }).unwrap();
//!     cluster.run_for(secs(10));
//!     assert_eq!(cluster.call("n3", Get {}), Ok(seed));
//! });
//! ```
//!
//! # When a test fails
//!
//! A test fails by itself when a node reports an error: when a handler, a periodic function or
//! a spawned task panics, or a reply cannot be written. One that means it says so
//! ([`Builder::tolerate_panics`]).
//!
//! A test that panics while it has a cluster prints the seed and the last events, with a
//! lane for everyone. `●` sends, `▶` and `◀` receive, `✗` does not receive:
//!
//! ```text
//! simulation with seed 9 at 1s, after 15 events:
//! (8 earlier events)
//!      seconds n0  n1  c1
//!     0.000000 ◁───┼───●   c1 → n0 #4 {"type":"tell","msg_id":1,"to":"n1","n":1}
//!     0.000000 ◀   │   │   c1 → n0 #4 delivered
//!     0.000000 ●───▷   │   n0 → n1 #5 {"type":"note","n":1}
//!     0.000000 ●───┼───▷   n0 → c1 #6 {"type":"tell_ok","in_reply_to":1}
//!     0.000000 │   │   ▶   n0 → c1 #6 delivered
//!     0.005000 │   ▶   │   n0 → n1 #5 delivered
//!     1.000000 │   │   │   == crash: n1 ==
//! ```
//!
//! [`trace`](Cluster::trace) gives the same at any time, [`journal`](Cluster::journal) the
//! events one by one, [`log`](Cluster::log) what the nodes had to tell, and
//! [`state`](Cluster::state) what a node knows.
//!
//! # What it costs
//!
//! [`traffic`](Cluster::traffic) counts messages and bytes, between nodes, with services and
//! with clients, by type and by node: enough to test that a protocol is as economical as it
//! claims.
//!
//! # What makes a run repeatable
//!
//! The same seed gives the same run, to the byte, as long as the handlers do nothing that
//! differs from run to run. Take random numbers from [`Context::rng`](crate::Context::rng)
//! and the time from [`Context::now`](crate::Context::now), start no threads, and use
//! `BTreeMap` and `BTreeSet` where the order of iteration matters: that of a `HashMap` is
//! another one each time. [`check`] notices when a failure does not repeat.
//!
//! # The parts
//!
//! [`Network`], [`Latency`] and the [`service`]s know neither nodes nor virtual time: the
//! workbench runs real processes over the same network in real time. A [`Host`] has nodes in
//! virtual time and knows no network: `Cluster` and the workbench's `Test` run theirs in one.

mod check;
mod client;
mod clock;
mod cluster;
mod disk;
mod history;
mod host;
mod journal;
mod latency;
mod network;
mod packet;
pub mod service;
mod traffic;

pub use check::{check, command_for, find_seed};
pub use client::Client;
pub use clock::Clock;
pub use cluster::{Builder, Cluster};
pub use disk::Health;
pub use history::{Operation, Pending};
pub use host::{Host, Program, node_seed};
pub use journal::{Entry, Journal, What};
pub use latency::Latency;
pub use network::{Address, Delivery, Dropped, Fate, MessageId, Network, Passage, Role};
pub use traffic::{Tally, Traffic};

use std::time::Duration;

/// A duration of so many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A duration of so many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
