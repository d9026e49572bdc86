//! Histories as checkers read them: whole operations, in the types of their workload.

use std::fmt;
use std::time::Duration;

use crate::edn::Edn;

/// The place of an invocation or a completion in the order of all that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Its index in the record, which counts invocations, completions and faults. Of two
    /// moments, the one with the smaller index came first, though their times may be the
    /// same.
    pub index: usize,
    /// The time since the run began.
    pub time: Duration,
}

/// In seconds, as in `1.784 s`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.time.as_secs_f64())
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<Output> {
    /// It took effect, and this came back.
    Ok(Output),
    /// It did not, and never will, take effect.
    Fail,
    /// Nobody knows whether it did, or ever will.
    Info,
}

/// What a client did: an invocation and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation<Op, Output> {
    /// Who did it. A process does one operation after the other, and none after one whose
    /// outcome is unknown.
    pub process: u64,
    /// What was asked for.
    pub op: Op,
    /// When it began.
    pub invoked: Moment,
    /// When it ended; `None` if the run ended first.
    pub completed: Option<Moment>,
    /// How it ended; [`Outcome::Info`] if the run ended first.
    pub outcome: Outcome<Output>,
    /// Why it did not succeed, as the record says it.
    pub error: Option<Edn>,
    /// What came back though it did not end well, if the record tells; that of a run of this
    /// workbench never does.
    pub partial: Option<Output>,
    /// Whether it belongs to the final phase, after recovery.
    pub is_final: bool,
}

impl<Op, Output> Operation<Op, Output> {
    /// An operation that began at this time and has not ended. A history gives it its
    /// indices.
    pub fn new(process: u64, op: Op, time: Duration) -> Self {
        Self {
            process,
            op,
            invoked: Moment { index: 0, time },
            completed: None,
            outcome: Outcome::Info,
            error: None,
            partial: None,
            is_final: false,
        }
    }

    /// The same, ended at this time.
    pub fn ended(self, time: Duration, outcome: Outcome<Output>) -> Self {
        Self {
            completed: Some(Moment { index: 0, time }),
            outcome,
            ..self
        }
    }

    /// What came back, if it took effect.
    pub fn output(&self) -> Option<&Output> {
        match &self.outcome {
            Outcome::Ok(output) => Some(output),
            Outcome::Fail | Outcome::Info => None,
        }
    }

    /// Whether it ended before another began.
    pub fn precedes(&self, other: &Self) -> bool {
        self.completed.is_some_and(|end| end < other.invoked)
    }
}

/// All operations of a run, in the order they began.
///
/// A run makes one for the checker of its workload. One for a test is collected from
/// operations in any order:
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
///
/// let ms = Duration::from_millis;
/// let history: History<&str, u64> = [
///     Operation::new(1, "read", ms(2)).ended(ms(5), Outcome::Ok(7)),
///     Operation::new(0, "write", ms(0)).ended(ms(3), Outcome::Info),
/// ]
/// .into_iter()
/// .collect();
///
/// let read = &history.operations()[1];
/// assert_eq!(read.output(), Some(&7));
/// assert_eq!((read.invoked.index, read.completed.unwrap().index), (1, 3));
/// assert!(!history.operations()[0].precedes(read));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<Op, Output> {
    operations: Vec<Operation<Op, Output>>,
    cast: Cast,
}

impl<Op, Output> History<Op, Output> {
    /// The operations, in the order they began.
    pub fn operations(&self) -> &[Operation<Op, Output>] {
        &self.operations
    }

    /// These operations, which are in the order they began and have their indices.
    pub(crate) fn of(operations: Vec<Operation<Op, Output>>) -> Self {
        Self {
            operations,
            cast: Cast::default(),
        }
    }

    /// The same, of processes that asked these nodes.
    pub(crate) fn with_cast(self, cast: Cast) -> Self {
        Self { cast, ..self }
    }

    /// The node that a process asked, if that is known.
    pub fn node(&self, process: u64) -> Option<&str> {
        self.cast.node(process)
    }

    /// In words, the node that a process asked: `n2`, or `the node of process 7` where it is
    /// not known, as in a history from elsewhere.
    pub fn who(&self, process: u64) -> String {
        self.node(process).map_or_else(
            || format!("the node of process {process}"),
            ToOwned::to_owned,
        )
    }

    /// The operations, in the order they began.
    pub fn iter(&self) -> std::slice::Iter<'_, Operation<Op, Output>> {
        self.operations.iter()
    }
}

impl<'a, Op, Output> IntoIterator for &'a History<Op, Output> {
    type Item = &'a Operation<Op, Output>;
    type IntoIter = std::slice::Iter<'a, Operation<Op, Output>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Numbers what happened by its time; of two things at one time, the one that was given
/// first comes first.
impl<Op, Output> FromIterator<Operation<Op, Output>> for History<Op, Output> {
    fn from_iter<T: IntoIterator<Item = Operation<Op, Output>>>(operations: T) -> Self {
        let mut operations: Vec<_> = operations.into_iter().collect();
        let mut moments: Vec<&mut Moment> = operations
            .iter_mut()
            .flat_map(|operation| {
                [Some(&mut operation.invoked), operation.completed.as_mut()]
                    .into_iter()
                    .flatten()
            })
            .collect();
        moments.sort_by_key(|moment| moment.time);
        for (index, moment) in moments.into_iter().enumerate() {
            moment.index = index;
        }
        operations.sort_by_key(|operation| operation.invoked);
        Self::of(operations)
    }
}

/// Which processes ask which nodes, as in Jepsen: process `p` is thread `p mod t`, and thread
/// `t` asks node `t mod n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cast {
    nodes: Vec<String>,
    threads: usize,
}

impl Cast {
    /// That of so many threads. It is unknown if there are none.
    pub(crate) fn new(nodes: Vec<String>, threads: usize) -> Cast {
        Cast { nodes, threads }
    }

    /// The node that a process asks.
    pub(crate) fn node(&self, process: u64) -> Option<&str> {
        let process = usize::try_from(process).ok()?;
        let thread = process.checked_rem(self.threads)?;
        let node = thread.checked_rem(self.nodes.len())?;
        Some(&self.nodes[node])
    }
}
