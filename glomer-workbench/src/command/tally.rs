//! How many runs ended how.

use std::fmt;

use crate::results::Ending;

/// How many runs ended how.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    endings: [u64; 4],
}

impl Tally {
    /// Counts one more.
    pub(super) fn count(&mut self, ending: Ending) {
        self.endings[ending as usize] += 1;
    }

    /// How many there were.
    pub(super) fn total(&self) -> u64 {
        self.endings.iter().sum()
    }

    /// The numbers of all endings.
    pub(super) fn endings(&self) -> String {
        let [valid, unknown, invalid, broken] = self.endings;
        format!("{valid} valid, {invalid} invalid, {unknown} unknown, {broken} not completed")
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs: {}", self.total(), self.endings())
    }
}
