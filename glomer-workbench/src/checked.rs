//! All that is checked of a record: by its workload's checker, and by those that look at every
//! history.

use crate::checker::{Availability, availability, exceptions, stats};
use crate::edn::Edn;
use crate::history::History;
use crate::verdict::{Validity, Verdict, merge_validity};
use crate::why::Why;
use crate::workload::{AnyWorkload, Setting};

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

    /// The verdicts, the most telling first: what the workload's checker found tells more than
    /// a count of what failed.
    pub fn most_telling(&self) -> [(&'static str, &Verdict); 4] {
        let mut parts = self.parts();
        parts.reverse();
        parts
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
        if let Some(why) = Why::of_history(self.most_telling()).to_edn() {
            map.insert(WHY, why);
        }
        map.insert("valid?", self.validity().into());
        map
    }
}

/// Checks a record of a workload, which ran in this setting and must have been so available, or
/// as available as the workload says.
pub fn check(
    workload: &AnyWorkload,
    setting: &Setting,
    record: &History,
    expected: Option<Availability>,
) -> Checked {
    Checked {
        exceptions: exceptions(record),
        stats: stats(record),
        availability: availability(record, expected.or_else(|| workload.availability())),
        workload: workload.check(setting, record),
    }
}

/// The key under which results tell why they are not valid.
pub(crate) const WHY: &str = "why";

/// The key under which results tell what is not right and decides nothing.
pub(crate) const WARNINGS: &str = "warnings";
