//! Which seeds are run.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use super::options::Options;

/// The seeds of a command: those of a file first, and then one after the other.
pub(super) struct Seeds {
    listed: std::vec::IntoIter<u64>,
    next: u64,
    /// How many follow those of the file; `None` for no end.
    left: Option<u64>,
}

impl Seeds {
    /// The seeds that the options ask for, which begin with that of a schedule, if they do not
    /// say where.
    ///
    /// # Errors
    /// If the file of seeds cannot be read, or holds something else.
    pub(super) fn of(options: &Options, scheduled: Option<u64>) -> io::Result<Seeds> {
        let listed = match &options.seeds {
            Some(file) => read(file)?,
            None => Vec::new(),
        };
        let left = match (options.runs, options.until_failure) {
            (Some(runs), _) => Some(runs),
            (None, true) => None,
            (None, false) => Some(u64::from(options.seeds.is_none())),
        };
        Ok(Seeds {
            listed: listed.into_iter(),
            next: options.seed.or(scheduled).unwrap_or_else(any_seed),
            left,
        })
    }

    /// How many there are, if there is an end to them.
    pub(super) fn total(&self) -> Option<u64> {
        self.left.map(|left| left + self.listed.len() as u64)
    }
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if let Some(seed) = self.listed.next() {
            return Some(seed);
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let seed = self.next;
        self.next = seed.wrapping_add(1);
        Some(seed)
    }
}

/// Reads a file with a seed on each line; what follows a `#` is for people.
fn read(file: &Path) -> io::Result<Vec<u64>> {
    let named = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("--seeds {}: {error}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let wrong = |_| {
                named(&format!(
                    "{line:?} is no seed; a seed is a number, one a line"
                ))
            };
            line.parse().map_err(wrong)
        })
        .collect()
}

/// A seed that is new each time, and short enough to be copied by hand.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000_000
}
