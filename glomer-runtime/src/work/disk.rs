//! What a disk holds, and what is written to it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// One change of what a [disk](Contents) holds. Values and entries are JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Write<'a> {
    /// Keep a value under a key, instead of the one before.
    Put {
        /// Its name; keys and logs have names of their own.
        key: &'a str,
        /// What to keep.
        value: &'a str,
    },
    /// Keep nothing under a key.
    Remove {
        /// Its name.
        key: &'a str,
    },
    /// Add an entry to the end of a log.
    Append {
        /// Its name.
        log: &'a str,
        /// What to keep.
        entry: &'a str,
    },
    /// Drop the entries of a log whose numbers are outside of a range. A log that ends before
    /// the range goes on at its beginning.
    Cut {
        /// Its name.
        log: &'a str,
        /// The numbers of those that stay.
        keep: Range<u64>,
    },
}

/// What a disk holds: values under keys, and logs.
///
/// Drivers and simulators keep one for what is durable, and give it to a node that starts with
/// [`Node::set_disk`](crate::Node::set_disk).
///
/// ```
/// use glomer_runtime::{Contents, Write};
///
/// let mut contents = Contents::default();
/// contents.apply(&Write::Put { key: "term", value: "7" });
/// contents.apply(&Write::Append { log: "log", entry: r#"{"term":7}"# });
///
/// let mut copy = Contents::default();
/// for write in contents.writes() {
///     copy.apply(&write);
/// }
/// assert_eq!(copy, contents);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    values: BTreeMap<Box<str>, Box<str>>,
    logs: BTreeMap<Box<str>, Log>,
    size: usize,
    /// How many values and entries it holds.
    count: usize,
}

/// Entries in a row, each with a number that stays its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Log {
    /// The number of the first entry.
    start: u64,
    entries: VecDeque<Box<str>>,
}

impl Log {
    fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.entries.len() as u64)
    }
}

impl Contents {
    /// Changes what it holds.
    pub fn apply(&mut self, write: &Write<'_>) {
        match write {
            Write::Put { key, value } => {
                self.size += key.len() + value.len();
                self.count += 1;
                let old = self.values.insert((*key).into(), (*value).into());
                self.dropped(key, old);
            }
            Write::Remove { key } => {
                let old = self.values.remove(*key);
                self.dropped(key, old);
            }
            Write::Append { log, entry } => {
                self.size += entry.len();
                self.count += 1;
                self.log(log).entries.push_back((*entry).into());
            }
            Write::Cut { log, keep } => {
                let log = self.log(log);
                let (before, mut dropped) = (log.entries.len(), 0);
                while log.range().end > keep.end
                    && let Some(entry) = log.entries.pop_back()
                {
                    dropped += entry.len();
                }
                while log.start < keep.start
                    && let Some(entry) = log.entries.pop_front()
                {
                    dropped += entry.len();
                    log.start += 1;
                }
                log.start = log.start.max(keep.start);
                let count = before - log.entries.len();
                self.size -= dropped;
                self.count -= count;
            }
        }
    }

    /// Takes note of a value that is held no more.
    fn dropped(&mut self, key: &str, value: Option<Box<str>>) {
        if let Some(value) = value {
            self.size -= key.len() + value.len();
            self.count -= 1;
        }
    }

    /// The writes that make it from nothing.
    pub fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        let puts = self.values.iter();
        let puts = puts.map(|(key, value)| Write::Put { key, value });
        let logs = self.logs.iter().flat_map(|(name, log)| {
            let keep = log.start..u64::MAX;
            let cut = (log.start > 0).then_some(Write::Cut { log: name, keep });
            let entries = log.entries.iter();
            let appends = entries.map(|entry| Write::Append { log: name, entry });
            cut.into_iter().chain(appends)
        });
        puts.chain(logs)
    }

    /// The value under a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(Box::as_ref)
    }

    /// The numbers of a log's entries; of a log without entries, the number of the next one
    /// twice.
    pub fn range(&self, log: &str) -> Range<u64> {
        self.logs.get(log).map_or(0..0, Log::range)
    }

    /// Those of a log's entries whose numbers are in a range, with their numbers.
    pub fn entries(&self, log: &str, range: Range<u64>) -> impl Iterator<Item = (u64, &str)> {
        let log = self.logs.get(log);
        let held = log.map_or(0..0, Log::range);
        let start = range.start.clamp(held.start, held.end);
        let end = range.end.clamp(start, held.end);
        let places = (start - held.start) as usize..(end - held.start) as usize;
        let entries = log
            .into_iter()
            .flat_map(move |log| log.entries.range(places.clone()));
        (start..).zip(entries.map(Box::as_ref))
    }

    /// Whether it holds nothing, and never held a log.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.logs.is_empty()
    }

    /// How long all that it holds is, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many values and entries it holds.
    #[cfg(feature = "disk")]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    fn log(&mut self, name: &str) -> &mut Log {
        if !self.logs.contains_key(name) {
            self.logs.insert(name.into(), Log::default());
        }
        self.logs
            .get_mut(name)
            .expect("it was put there if missing")
    }
}

/// What a node has for a disk.
#[derive(Debug, Default)]
pub(crate) enum Disk {
    /// Nothing: it must not ask.
    #[default]
    Missing,
    /// Memory, which is gone when the node ends.
    Memory(Contents),
    /// A disk that its driver writes to.
    Durable(Contents),
}

impl Disk {
    pub(crate) fn contents(&self) -> Option<&Contents> {
        match self {
            Self::Missing => None,
            Self::Memory(contents) | Self::Durable(contents) => Some(contents),
        }
    }
}
