//! A run: nodes, network, clients and nemesis under one clock.
//!
//! The [`engine`](engine::Engine) says what to do, and a [`drive`] does it: it has the nodes
//! and the time. One thread does it all.

#[cfg(feature = "command")]
mod alarm;
pub(crate) mod body;
#[doc(hidden)]
pub mod clients;
#[doc(hidden)]
pub mod diagram;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod difference;
#[doc(hidden)]
pub mod drive;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod journal;
pub mod nemesis;
#[doc(hidden)]
pub mod node_errors;
#[doc(hidden)]
pub mod pace;
pub mod plan;
#[doc(hidden)]
pub mod problem;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod process;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod progress;
pub mod schedule;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod stderr;
#[doc(hidden)]
pub mod threads;
#[doc(hidden)]
pub mod wire;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;

use self::engine::{Engine, Hits};
use self::journal::Journal;
use self::node_errors::NodeErrors;
use self::problem::Problem;
use self::schedule::Schedule;
use crate::history::History;

/// Where nodes run that are processes: in the temporary directory, as under Maelstrom.
pub(crate) fn directory() -> PathBuf {
    std::env::temp_dir()
}

/// What came out of a run.
#[doc(hidden)]
pub struct Run {
    /// What clients and nemesis did.
    pub history: History,
    /// What the network saw.
    pub journal: Journal,
    /// What is not right and did not end the run.
    pub warnings: Vec<String>,
    /// What nodes reported as errors.
    pub node_errors: NodeErrors,
    /// What ended the run early.
    pub problem: Option<Problem>,
    /// Whether its workload has a final phase that it did not come to the end of.
    pub lacks_final_phase: bool,
    /// In which time it ran.
    pub timing: Timing,
    /// How long it took until the first operation was due.
    pub startup: Duration,
    /// What the faults hit.
    pub hits: Hits,
    /// What it asked and broke.
    pub schedule: Schedule,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("warnings", &self.warnings)
            .field("problem", &self.problem)
            .field("timing", &self.timing)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// What came of an engine.
    pub fn of(engine: Engine, node_errors: NodeErrors, timing: Timing) -> Run {
        let startup = engine.origin().unwrap_or_default();
        let hits = engine.hits();
        let warnings = engine.warnings().to_vec();
        let schedule = engine.schedule().clone();
        let lacks_final_phase = engine.lacks_final_phase();
        let (history, journal, problem) = engine.finish();
        Run {
            history,
            journal,
            warnings,
            node_errors,
            problem,
            lacks_final_phase,
            timing,
            startup,
            hits,
            schedule,
        }
    }
}

/// The time of a run.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub enum Timing {
    /// It ran in real time.
    Real {
        /// How late messages were handed to nodes, in microseconds after they were due.
        lateness: Histogram<u64>,
    },
    /// It ran in real time, with nodes that are elsewhere.
    Elsewhere,
    /// It ran in virtual time, in which nothing is late.
    Virtual {
        /// How long a node took at most to get to a message that had arrived.
        turn_latency: Duration,
        /// How many turns nodes had.
        turns: u64,
        /// Why the run cannot be repeated, if it is known that it cannot.
        unrepeatable: Option<String>,
    },
}

impl Timing {
    /// Why the run cannot be repeated, if it is known that it cannot.
    pub fn unrepeatable(&self) -> Option<&str> {
        match self {
            Timing::Real { .. } | Timing::Elsewhere => None,
            Timing::Virtual { unrepeatable, .. } => unrepeatable.as_deref(),
        }
    }
}
