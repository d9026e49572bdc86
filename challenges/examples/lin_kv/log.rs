//! The log of a node: entries that follow each other, of which the oldest are
//! dropped once the machine has them. All of it is on the disk, too, where an
//! entry's number is its index; so is the machine, as it was some entries ago.

use std::collections::VecDeque;

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use super::machine::{Command, Machine};

/// Where they are on the disk.
const LOG: &str = "log";
const BASE: &str = "base";
const MACHINE: &str = "machine";

/// How many entries are kept after they were applied, for nodes that are behind;
/// who is further behind gets the machine as it is.
const KEPT: usize = 1000;

/// The most entries in one message.
const BATCH: usize = 500;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) term: u64,
    pub(crate) command: Command,
}

/// The place of an entry. Compared as Raft compares logs: by the term first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

#[derive(Default)]
pub(crate) struct Log {
    /// The last entry that is not kept any more. The first entry ever has index 1.
    base: Position,
    entries: VecDeque<Entry>,
}

impl Log {
    /// What the disk has: the log, a machine, and what was applied to that.
    pub(crate) fn load(cx: &Context) -> Result<(Self, Machine, Position), Error> {
        let disk = cx.disk();
        let base = disk.load(BASE)?.unwrap_or_default();
        let (machine, applied) = disk.load(MACHINE)?.unwrap_or_default();
        let entries = disk.entries(LOG, ..)?.into_iter();
        let entries = entries.map(|(_, entry)| entry).collect();
        let log = Self { base, entries };
        log.cut_before(cx, base);
        Ok((log, machine, applied))
    }

    /// A log that is known only by its end, with the machine that comes of it.
    pub(crate) fn install(cx: &Context, base: Position, machine: &Machine) -> Self {
        cx.disk().put(MACHINE, &(machine, base));
        cx.disk().cut(LOG, ..);
        let entries = VecDeque::new();
        let log = Self { base, entries };
        log.cut_before(cx, base);
        log
    }

    /// Has the disk's log begin after `base`.
    fn cut_before(&self, cx: &Context, base: Position) {
        cx.disk().put(BASE, &base);
        cx.disk().cut(LOG, ..base.index + 1);
    }

    pub(crate) fn last(&self) -> Position {
        let index = self.base.index + self.entries.len() as u64;
        self.position(index).unwrap_or(self.base)
    }

    pub(crate) fn push(&mut self, cx: &Context, entry: Entry) {
        cx.disk().append(LOG, &entry);
        self.entries.push_back(entry);
    }

    fn offset(&self, index: u64) -> Option<usize> {
        (index.checked_sub(self.base.index + 1)?).try_into().ok()
    }

    /// The position of the entry with this index, if it is known.
    pub(crate) fn position(&self, index: u64) -> Option<Position> {
        if index == self.base.index {
            return Some(self.base);
        }
        let term = self.entries.get(self.offset(index)?)?.term;
        Some(Position { term, index })
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(self.offset(index)?)
    }

    /// The entries after this index, newest first.
    pub(crate) fn newest_after(&self, index: u64) -> impl Iterator<Item = &Entry> {
        let known = self.offset(index + 1).unwrap_or(0);
        self.entries.iter().skip(known).rev()
    }

    /// As many of the entries after this index as go into one message.
    pub(crate) fn batch_after(&self, index: u64) -> Vec<Entry> {
        let from = self.offset(index + 1).unwrap_or(0);
        self.entries
            .iter()
            .skip(from)
            .take(BATCH)
            .cloned()
            .collect()
    }

    /// Takes over entries that follow `previous`, if that is in the log. Returns
    /// the last index that is now known to be as the sender's; `None` if
    /// `previous` is not there.
    pub(crate) fn extend(
        &mut self,
        cx: &Context,
        previous: Position,
        entries: Vec<Entry>,
    ) -> Option<u64> {
        // What is before the base is applied, and so the same everywhere.
        let known = previous.index <= self.base.index;
        if !known && self.position(previous.index) != Some(previous) {
            return None;
        }
        let mut index = previous.index;
        for entry in entries {
            index += 1;
            let Some(offset) = self.offset(index) else {
                continue;
            };
            if self
                .entries
                .get(offset)
                .is_none_or(|ours| ours.term != entry.term)
            {
                self.entries.truncate(offset);
                cx.disk().cut(LOG, index..);
                self.push(cx, entry);
            }
        }
        Some(index)
    }

    /// Drops what is old and applied to this machine; on the disk, many at once.
    pub(crate) fn compact(&mut self, cx: &Context, machine: &Machine, applied: u64) {
        while let Some(oldest) = self.position(self.base.index + 1)
            && oldest.index + KEPT as u64 <= applied
        {
            self.entries.pop_front();
            self.base = oldest;
        }
        if cx.disk().range(LOG).start + (KEPT as u64) < self.base.index {
            let applied = self.position(applied);
            cx.disk()
                .put(MACHINE, &(machine, applied.unwrap_or(self.base)));
            self.cut_before(cx, self.base);
        }
    }
}
