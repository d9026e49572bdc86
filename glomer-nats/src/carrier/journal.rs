//! What happened to the messages of a node.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use crate::control::{Entry, Event, Page};

/// How much is kept, in bytes of messages.
const KEPT: usize = 64 << 20;

/// What an entry takes beside its message, about.
const ENTRY: usize = 128;

/// The newest entries.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<Entry>,
    /// The number of the first of them.
    first: u64,
    size: usize,
}

impl Journal {
    pub(super) fn add(&mut self, clock: u64, at: u64, event: Event, message: &RawValue) {
        self.size += size(message);
        self.entries.push_back(Entry {
            clock,
            at,
            event,
            message: message.to_owned(),
        });
        while self.size > KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= size(&oldest.message);
            self.first += 1;
        }
    }

    /// The entries from the one of this number, as many as fit `limit` bytes, and one if there
    /// is any.
    pub(super) fn page(&self, from: u64, limit: usize) -> Page {
        let start = from.max(self.first);
        let skipped = usize::try_from(start - self.first).unwrap_or(usize::MAX);
        let mut room = limit;
        let entries: Vec<Entry> = self
            .entries
            .iter()
            .skip(skipped)
            .enumerate()
            .take_while(|(index, entry)| {
                let size = size(&entry.message);
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits || *index == 0
            })
            .map(|(_, entry)| entry.clone())
            .collect();
        Page {
            next: start + entries.len() as u64,
            entries,
            lost: start - from,
        }
    }
}

fn size(message: &RawValue) -> usize {
    message.get().len() + ENTRY
}
