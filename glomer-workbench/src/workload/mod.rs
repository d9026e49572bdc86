//! What clients do in each of Maelstrom's ten workloads.

mod broadcast;
mod client;
mod counter;
mod echo;
mod g_set;
mod kafka;
mod lin_kv;
mod reply;
mod topology;
mod txn;
mod unique_ids;

use std::time::Duration;

use glomer_runtime::Rng;

use crate::checker::Workload;
use crate::edn::Edn;
use crate::history::Op;
use crate::run::threads::Threads;

pub use client::{Call, Client, Step};
pub use reply::Reply;
pub use topology::{Neighbours, Topology};

/// The traffic of a workload.
pub fn traffic(workload: Workload, setting: &Setting) -> Box<dyn Traffic> {
    match workload {
        Workload::Echo => Box::new(echo::Echo),
        Workload::UniqueIds => Box::new(unique_ids::UniqueIds),
        Workload::Broadcast => Box::new(broadcast::Broadcast::new(setting)),
        Workload::GSet => Box::<g_set::GSet>::default(),
        Workload::GCounter => Box::new(counter::Counter::growing()),
        Workload::PnCounter => Box::new(counter::Counter::new()),
        Workload::LinKv => Box::new(lin_kv::LinKv::new(setting)),
        Workload::Kafka => Box::new(kafka::Kafka::new(setting)),
        Workload::TxnListAppend => Box::new(txn::Txn::list_append(setting)),
        Workload::TxnRwRegister => Box::new(txn::Txn::rw_register(setting)),
    }
}

/// What the traffic may depend on.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// How many threads perform operations.
    pub concurrency: usize,
    /// The mean latency between nodes.
    pub latency: Duration,
    /// Which neighbours the nodes are told of.
    pub topology: Topology,
    /// How many keys a transaction chooses from; `None` for the workload's own number.
    pub key_count: Option<usize>,
    /// How many operations a transaction has at most.
    pub max_txn_length: usize,
    /// How often a key is written at most.
    pub max_writes_per_key: u64,
}

/// An operation that a client is asked to perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Its function.
    pub f: &'static str,
    /// Its value.
    pub value: Edn,
    /// Whether it belongs to the final phase and is marked as such.
    pub is_final: bool,
    /// Further keys for the history.
    pub extra: Vec<(String, Edn)>,
}

impl Invocation {
    /// An operation without further keys.
    pub fn new(f: &'static str, value: Edn) -> Invocation {
        Invocation {
            f,
            value,
            is_final: false,
            extra: Vec::new(),
        }
    }

    /// The final read that many workloads end with.
    fn final_read() -> Invocation {
        Invocation {
            is_final: true,
            ..Invocation::new("read", Edn::Nil)
        }
    }
}

/// What may become of an operation whose request met an error or no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Errors end operations in the usual way: `:fail` when the error is definite or the
    /// function is one of these, which change nothing, and `:info` otherwise.
    Told {
        /// The functions that change nothing.
        idempotent: &'static [&'static str],
    },
    /// Every error leaves the outcome unknown, `:info`.
    Untold,
}

/// What a thread does next in the final phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalStep {
    /// This operation.
    Invoke(Invocation),
    /// Nothing before this time, measured from the beginning of the phase.
    Wait(Duration),
    /// Nothing any more.
    Done,
}

/// Where the final phase stands, for one thread.
pub struct FinalTurn<'a> {
    /// Whose turn it is.
    pub thread: usize,
    /// How many operations of the phase it has done.
    pub done: usize,
    /// How long the phase has lasted.
    pub elapsed: Duration,
    /// Randomness for this turn.
    pub rng: &'a mut Rng,
}

/// What the main phase asks a workload with.
pub struct Turn<'a> {
    /// The threads; the operation goes to a free one.
    pub threads: &'a Threads,
    /// When the operation takes place, measured from the beginning of the phase.
    pub at: Duration,
    /// Randomness for this operation alone, so that what it is follows from the seed and
    /// its number, whatever happened before.
    pub rng: &'a mut Rng,
}

/// What the clients of a workload do: which operations there are, and how they are
/// performed.
pub trait Traffic {
    /// A request that each node gets once, after its `init`.
    fn setup(&self) -> Option<Call> {
        None
    }

    /// The next operation and the free thread that performs it; `None` when none of the
    /// free threads can take the next operation, or none is free.
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)>;

    /// Hears of every completion in the history.
    fn completed(&mut self, _: &Op) {}

    /// Whether there is a final phase, after the faults are healed and the nodes had time
    /// to recover.
    fn has_final_phase(&self) -> bool {
        false
    }

    /// What a free thread does in the final phase.
    fn final_step(&mut self, _: FinalTurn<'_>) -> FinalStep {
        FinalStep::Done
    }

    /// A client for a new process.
    fn client(&self) -> Box<dyn Client>;

    /// Whether a thread keeps its client when its process ends.
    fn keeps_clients(&self) -> bool {
        false
    }

    /// How long a client waits for an answer.
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// What errors mean for operations.
    fn errors(&self) -> Errors;
}

/// Two kinds of operations, equally likely: what `gen/mix` gives most workloads.
fn either<T>(rng: &mut Rng, one: impl FnOnce() -> T, other: impl FnOnce() -> T) -> T {
    match rng.chance(0.5) {
        true => one(),
        false => other(),
    }
}

/// The final phase of the workloads that end with one read by each thread.
fn one_final_read(turn: &FinalTurn<'_>, read: Invocation) -> FinalStep {
    match turn.done {
        0 => FinalStep::Invoke(read),
        _ => FinalStep::Done,
    }
}
