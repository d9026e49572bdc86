//! Workloads: what clients ask of nodes, how they ask it, and what must hold.
//!
//! A workload is a type that implements [`Workload`]. This one asks a counter, whose
//! nodes may answer late but must never lose what was added:
//!
//! ```
//! use glomer_workbench::prelude::*;
//!
//! /// The messages that a node's handlers take. `#[handler]` makes such types.
//! #[derive(Serialize)]
//! struct Increment {}
//!
//! impl Message for Increment {
//!     const TYPE: &'static str = "increment";
//!     const REPLY_FIELD: Option<&'static str> = Some("count");
//!     type Reply = u64;
//! }
//!
//! #[derive(Clone)]
//! struct Tickets;
//!
//! #[derive(Clone, Debug, Serialize, Deserialize)]
//! enum Op {
//!     Increment,
//! }
//!
//! impl Workload for Tickets {
//!     const NAME: &'static str = "tickets";
//!     const ABOUT: &'static str = "Clients draw tickets; no two get the same number";
//!     type Op = Op;
//!     type Output = u64;
//!     type Session = ();
//!
//!     fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Op> {
//!         Some(Op::Increment)
//!     }
//!
//!     async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<u64, Error> {
//!         match op {
//!             Op::Increment => client.call(Increment {}).await,
//!         }
//!     }
//!
//!     fn check(&self, history: &History<Op, u64>) -> Verdict {
//!         unique(history)
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     # if true { return std::process::ExitCode::SUCCESS }
//!     Cli::new().workload(Tickets).run()
//! }
//! ```
//!
//! That `main` is the whole `glomer` command with one more workload: `-w tickets` runs it
//! against any program, in any language.
//!
//! # How a run asks
//!
//! A run has threads, each of which belongs to a node. When an operation is due, the
//! workload chooses a free thread ([`Workload::thread`]) and what it does
//! ([`Workload::next`]); then a client performs it ([`Workload::perform`]), and the workload
//! hears of its end ([`Workload::completed`]). What is drawn from the turn's random numbers
//! follows from the run's seed.
//!
//! A thread passes as a process. An operation of which nobody knows whether it took effect
//! ends its process: the thread goes on as a new one, with a new client and a new session.
//!
//! # What must hold
//!
//! [`Workload::check`] reads the [`History`] of a run, whole operations in the workload's own
//! types, and gives a [`Verdict`]. The checkers that Maelstrom's workloads use are there to be
//! used again, in [`checker`](crate::checker).
//!
//! # What errors mean
//!
//! An operation ends well (`:ok`), has failed for certain (`:fail`), or nobody knows
//! (`:info`). It fails when [`Workload::perform`] returns an error that is definite, such as
//! 22, precondition-failed, and no request before that may have taken effect; otherwise, and
//! when an answer is overdue, nobody knows. [`Workload::errors`] says what is different for
//! an operation.
//!
//! # How the history shows it
//!
//! `history.edn` has the function and value of each operation as they follow from its serde
//! form: `Op::Acquire { lock: 3 }` is `:f :acquire, :value {:lock 3}`. `glomer check` reads
//! them back. [`NotedOp`] and [`NotedOutput`] are for notations that exist already.

mod add_or_read;
mod broadcast;
pub(crate) mod client;
mod counter;
mod echo;
pub(crate) mod erased;
mod g_set;
mod kafka;
mod lin_kv;
mod notation;
mod reply;
mod topology;
mod txn;
mod unique_ids;

use std::fmt;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use glomer_runtime::{Error, Rng};

use crate::checker::{Availability, ConsistencyModel};
use crate::edn::Edn;
use crate::history::typed::{Cast, History, Operation};
use crate::verdict::Verdict;

pub use crate::run::threads::Threads;
pub use broadcast::Broadcast;
pub use client::Client;
pub use counter::{GCounter, PnCounter};
pub use echo::Echo;
#[doc(hidden)]
pub use erased::AnyWorkload;
pub use g_set::GSet;
pub use kafka::Kafka;
pub use lin_kv::LinKv;
pub use notation::{Notation, NotedOp, NotedOutput};
pub use reply::{Reply, Shape};
pub use topology::{Neighbours, Topology};
pub use txn::{TxnListAppend, TxnRwRegister};
pub use unique_ids::UniqueIds;

/// The workloads that a command has. There are Maelstrom's, and those that are added.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Workloads(Vec<AnyWorkload>);

impl Default for Workloads {
    fn default() -> Workloads {
        Workloads(vec![
            AnyWorkload::new(Echo),
            AnyWorkload::new(UniqueIds),
            AnyWorkload::new(Broadcast::default()),
            AnyWorkload::new(GSet::default()),
            AnyWorkload::new(GCounter),
            AnyWorkload::new(PnCounter),
            AnyWorkload::new(LinKv::default()),
            AnyWorkload::new(Kafka::default()),
            AnyWorkload::new(TxnListAppend::default()),
            AnyWorkload::new(TxnRwRegister::default()),
        ])
    }
}

impl Workloads {
    /// Adds one. It takes the place of one with the same name.
    pub fn add(&mut self, workload: AnyWorkload) {
        self.0.retain(|other| other.name() != workload.name());
        self.0.push(workload);
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, AnyWorkload> {
        self.0.iter()
    }

    /// The one with this name.
    ///
    /// # Errors
    /// If there is none, with the names that there are.
    pub fn get(&self, name: &str) -> Result<&AnyWorkload, String> {
        let found = self.iter().find(|workload| workload.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.iter().map(AnyWorkload::name).collect();
            format!(
                "no workload is called `{name}`, there are {}",
                names.join(", ")
            )
        })
    }
}

/// What clients ask, how they ask it, and what must hold; see the [module](self).
///
/// A value of the type is what a run begins with: it is cloned for each.
pub trait Workload: Clone + Send + Sync + Sized + 'static {
    /// The name that `--workload` takes, in kebab-case.
    const NAME: &'static str;

    /// What it is, in a line for `--help`.
    const ABOUT: &'static str;

    /// What a client can do.
    type Op: NotedOp + Clone + Debug + 'static;

    /// What comes back.
    type Output: NotedOutput + Clone + Debug + 'static;

    /// What a client remembers from one operation to the next; `()` for nothing. It begins
    /// with its default and lives as long as the client does.
    type Session: Default + 'static;

    /// Whether it can run with this.
    ///
    /// # Errors
    /// If not: why, and what to do.
    fn can_run(_: &Setting) -> Result<(), String> {
        Ok(())
    }

    /// Learns what it runs with, or what was run that it is to check.
    fn begin(&mut self, _: &Setting) {}

    /// Sets up the client's node, once it has answered its `init`. An error ends the run.
    ///
    /// # Errors
    /// If the node answers one.
    fn set_up(&self, _: &Client) -> impl Future<Output = Result<(), Error>> {
        async { Ok(()) }
    }

    /// The free thread that takes the next turn: by default, the one whose turn it is.
    /// `None` while no free thread can take it.
    fn thread(&mut self, threads: &Threads, _: &Rng) -> Option<usize> {
        threads.next_free()
    }

    /// What the thread does; `None` for nothing at this time.
    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Self::Op>;

    /// How a client does it: by one request or several, to one node or several. The future
    /// is dropped when an answer is overdue.
    ///
    /// # Errors
    /// If it did not succeed: what a node answered, or an error of the workload's own.
    fn perform(
        session: &mut Self::Session,
        client: &Client,
        op: &Self::Op,
    ) -> impl Future<Output = Result<Self::Output, Error>>;

    /// Hears of every operation that ended.
    fn completed(&mut self, _: &Operation<Self::Op, Self::Output>) {}

    /// Whether there is a final phase, after the faults are healed and the nodes had time
    /// to recover. A run that is cut short before the end of that is unknown where it would be
    /// invalid: what looks lost may have been on its way.
    fn has_final_phase(&self) -> bool {
        false
    }

    /// What a free thread does in the final phase.
    fn final_step(&mut self, _: FinalTurn<'_>) -> FinalStep<Self::Op> {
        FinalStep::Done
    }

    /// Whether a thread keeps its client, with its session, when its process ends.
    fn keeps_clients(&self) -> bool {
        false
    }

    /// How long a client waits for an answer.
    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// What errors mean for an operation.
    fn errors(_: &Self::Op) -> Errors {
        Errors::Definite
    }

    /// How many of the operations must succeed, if the user says nothing of it; see
    /// [`availability`](crate::checker::availability).
    fn availability(&self) -> Option<Availability> {
        None
    }

    /// What must hold.
    fn check(&self, history: &History<Self::Op, Self::Output>) -> Verdict;

    /// What a figure of the verdict, or a name in one, means to people, in a sentence
    /// without a capital or a full stop.
    fn meaning(_: &str) -> Option<&'static str> {
        None
    }

    /// The parts of the setting that it depends on, by the names of their options: what a
    /// report should show.
    fn depends_on(_: &Setting) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Whether an operation makes sense only after an earlier one of the same thread, as a
    /// release of a lock after its acquisition. A failing run is made smaller by leaving
    /// operations out, and without the last such operation before it, this one is left out, too.
    fn goes_with(_earlier: &Self::Op, _later: &Self::Op) -> bool {
        false
    }

    /// Whether the verdict depends on how up to date reads are, as it does not where nodes
    /// have time to agree.
    const STALE_READS_MATTER: bool = false;

    /// Whether the record marks the operations of the final phase.
    const MARKS_FINAL: bool = true;
}

/// What a workload may depend on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// How many threads perform operations; 0 where that is not known, as of a history from
    /// elsewhere.
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
    /// What transactions must satisfy, all of them.
    pub consistency_models: Vec<ConsistencyModel>,
}

impl Setting {
    /// So many nodes from `n0`, with a thread for each, and otherwise what Maelstrom does
    /// unless told otherwise.
    pub fn new(nodes: usize) -> Setting {
        Setting {
            nodes: (0..nodes).map(|number| format!("n{number}")).collect(),
            concurrency: nodes,
            latency: Duration::ZERO,
            topology: Topology::Grid,
            key_count: None,
            max_txn_length: 4,
            max_writes_per_key: 16,
            consistency_models: vec![ConsistencyModel::STRICT_SERIALIZABLE],
        }
    }

    /// Which processes ask which nodes.
    pub(crate) fn cast(&self) -> Cast {
        Cast::new(self.nodes.clone(), self.concurrency)
    }
}

/// A free thread's turn to do something.
#[non_exhaustive]
pub struct Turn<'a, W: Workload> {
    /// The thread.
    pub thread: usize,
    /// The process that it is at the moment.
    pub process: u64,
    /// All threads.
    pub threads: &'a Threads,
    /// The time since the run began.
    pub at: Duration,
    /// What the thread's client remembers.
    pub session: &'a W::Session,
    /// Randomness for this turn alone, so that what is drawn follows from the seed and the
    /// number of the turn, whatever happened before.
    pub rng: &'a Rng,
}

impl<W: Workload> fmt::Debug for Turn<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("thread", &self.thread)
            .field("process", &self.process)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What errors mean for an operation. Answers that are overdue or have a wrong form leave
/// its outcome unknown, except where this says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Errors {
    /// A definite error means that it failed, if no request before may have taken effect.
    /// Every other error leaves its outcome unknown.
    Definite,
    /// A definite error means that it failed, whatever was requested before.
    LastDefinite,
    /// Every error, and an overdue answer, means that it failed: it changes nothing.
    Harmless,
    /// Every error leaves its outcome unknown.
    Unknown,
}

/// What a thread does next in the final phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalStep<Op> {
    /// This operation.
    Invoke(Op),
    /// Nothing before this time, measured from the beginning of the phase.
    Wait(Duration),
    /// Nothing any more.
    Done,
}

impl<Op> FinalStep<Op> {
    /// The final phase of workloads that end with one operation by each thread.
    pub fn once(turn: &FinalTurn<'_>, op: Op) -> FinalStep<Op> {
        match turn.done {
            0 => FinalStep::Invoke(op),
            _ => FinalStep::Done,
        }
    }
}

/// Where the final phase stands, for one thread.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinalTurn<'a> {
    /// Whose turn it is.
    pub thread: usize,
    /// How many operations of the phase it has done.
    pub done: usize,
    /// How long the phase has lasted.
    pub elapsed: Duration,
    /// Randomness for this turn.
    pub rng: &'a Rng,
}

/// Takes a field out of an answer that is known to have it.
fn take(answer: &mut Edn, field: &str) -> Edn {
    answer.remove(field).unwrap_or_default()
}
