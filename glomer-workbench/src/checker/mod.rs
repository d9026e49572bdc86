//! Checkers: what a history says about the system that made it.
//!
//! Each workload has its checker, in a module of its own; [`stats`], [`availability`] and
//! [`exceptions`] look at every history. Their verdicts have the figures that Maelstrom
//! prints, name for name.

mod availability;
mod consistency;
pub(crate) mod counter;
mod exceptions;
pub(crate) mod kafka;
pub(crate) mod order;
pub(crate) mod set_full;
mod stats;
pub(crate) mod txn;
mod unique;

use crate::edn::Edn;
use crate::history::History;
use crate::why::Why;
use crate::workload::{AnyWorkload, Setting};

pub use availability::{Availability, availability};
pub use consistency::ConsistencyModel;
pub use counter::{CounterOp, counter};
pub use exceptions::exceptions;
pub use order::{Effect, Model, linearizable, sequentially_consistent};
pub use set_full::{SetOp, set_full};
pub use stats::stats;
pub use txn::{ListOp, RegisterOp, list_append, rw_register};
pub use unique::unique;

pub use crate::verdict::{Validity, Verdict, merge_validity};

/// All that a record determines of a run's results.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What [`exceptions`] says.
    pub exceptions: Verdict,
    /// What [`stats`] says.
    pub stats: Verdict,
    /// What [`availability`] says.
    pub availability: Verdict,
    /// What the workload's checker says.
    pub workload: Verdict,
}

impl Checked {
    /// The verdicts, by the names that results have for them.
    pub fn parts(&self) -> [(&'static str, &Verdict); 4] {
        [
            ("exceptions", &self.exceptions),
            ("stats", &self.stats),
            ("availability", &self.availability),
            ("workload", &self.workload),
        ]
    }

    /// The verdict over all of them.
    pub fn validity(&self) -> Validity {
        merge_validity(self.parts().map(|(_, verdict)| verdict.validity()))
    }

    /// What is not right and decides nothing.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts().into_iter();
        parts.flat_map(|(_, verdict)| verdict.warnings().iter().map(String::as_str))
    }

    /// The map that results print.
    pub fn to_edn(&self, record: &History) -> Edn {
        let parts = self.parts().into_iter();
        let mut map = Edn::map(parts.map(|(name, verdict)| (name, verdict.to_edn(record))));
        let warnings = Edn::vector(self.warnings());
        if warnings != Edn::Vector(Vec::new()) {
            map.insert(WARNINGS, warnings);
        }
        if let Some(why) = Why::of_history(self).to_edn() {
            map.insert(WHY, why);
        }
        map.insert("valid?", self.validity().into());
        map
    }
}

/// Checks a record of a workload, which ran in this setting and must have been so available.
pub fn check(
    workload: &AnyWorkload,
    setting: &Setting,
    record: &History,
    expected: Option<Availability>,
) -> Checked {
    Checked {
        exceptions: exceptions(record),
        stats: stats(record),
        availability: availability(record, expected),
        workload: workload.check(setting, record),
    }
}

/// The key under which results tell why they are not valid.
pub(crate) const WHY: &str = "why";

/// The key under which results tell what is not right and decides nothing.
pub(crate) const WARNINGS: &str = "warnings";
