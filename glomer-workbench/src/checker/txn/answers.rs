//! Answers that are not what was asked: operations missing, other keys, other values.
//!
//! Elle reads most of what it knows from completions, and some of it from invocations as well:
//! which writes were intermediate, and which keys were appended to once. So it finds a `G1b`
//! where an answer hides the write that made another one intermediate, and stops with an
//! assertion where a list has an element that no completion wrote. Where it says nothing, there
//! is a warning.

use std::collections::{HashMap, HashSet};
use std::iter;

use crate::edn::Edn;
use crate::history::{Excerpt, OpType};
use crate::verdict::entry;

use super::transactions::{Entry, Mop, Transaction};

/// A key and what was written to it.
type Write<'a> = (&'a Edn, &'a Edn);

/// The transactions of a history: what was asked, and what was answered.
pub(super) struct Answers<'a> {
    transactions: &'a [Transaction],
    /// Beginnings and ends, in order.
    pub(super) entries: Vec<&'a Entry>,
    /// What a write is called.
    pub(super) write: &'static str,
}

impl<'a> Answers<'a> {
    pub(super) fn of(transactions: &'a [Transaction], write: &'static str) -> Self {
        let entries = transactions
            .iter()
            .flat_map(|it| iter::once(&it.invocation).chain(&it.completion));
        let mut entries: Vec<&Entry> = entries.collect();
        entries.sort_unstable_by_key(|entry| entry.at);
        Self {
            transactions,
            entries,
            write,
        }
    }

    pub(super) fn transactions(&self) -> &'a [Transaction] {
        self.transactions
    }

    pub(super) fn oks(&self) -> impl Iterator<Item = &'a Entry> {
        let entries = self.entries.iter().copied();
        entries.filter(|entry| entry.kind == OpType::Ok)
    }

    /// The writes that completions tell of, however the transactions ended.
    fn completed_writes(&self) -> HashSet<Write<'a>> {
        let completions = self
            .transactions
            .iter()
            .filter_map(|it| it.completion.as_ref());
        completions.flat_map(Entry::writes).collect()
    }

    /// What Elle calls `G1b` because of invocations alone (`intermediate-write-indices` and
    /// `g1b-cases`, which go over both): reads of a write that was to be overwritten by the same
    /// transaction, whose answer does not say so.
    pub(super) fn intermediate_reads(&self) -> Vec<Edn> {
        let mut asked: HashMap<Write<'a>, &'a Entry> = HashMap::new();
        let mut answered: HashSet<Write<'a>> = HashSet::new();
        for &at in &self.entries {
            let mut last: HashMap<&Edn, &Edn> = HashMap::new();
            for (key, value) in at.writes() {
                if let Some(intermediate) = last.insert(key, value) {
                    match at.kind {
                        OpType::Invoke => drop(asked.insert((key, intermediate), at)),
                        _ => drop(answered.insert((key, intermediate))),
                    }
                }
            }
        }
        asked.retain(|write, _| !answered.contains(write));
        let mut cases = Vec::new();
        for ok in self.oks() {
            for mop in ok.reads() {
                let (read, element) = match (self.write, &mop.value) {
                    ("append", list) => (list.as_seq().and_then(<[Edn]>::last), true),
                    (_, value) => (Some(value), false),
                };
                if let Some(read) = read
                    && let Some(writer) = asked.get(&(&mop.key, read))
                {
                    let mut case = Edn::map([
                        ("op", entry(ok.at.index)),
                        ("mop", mop.to_edn(self.write)),
                        ("writer", entry(writer.at.index)),
                    ]);
                    if element {
                        case.insert("element", read.clone());
                    }
                    cases.push(case);
                }
            }
        }
        cases
    }

    /// Why Elle cannot make sense of lists: an element that is in one, or would have to be, that
    /// no completion says it appended (the assertion in `dirty-update-cases`), or an element that
    /// was to be appended twice (`verify-unique-appends`).
    pub(super) fn confused_lists(&self) -> Option<String> {
        let mut appends: HashMap<&Edn, Vec<&Edn>> = HashMap::new();
        let mut asked: HashSet<Write<'a>> = HashSet::new();
        let mut longest: HashMap<&Edn, &[Edn]> = HashMap::new();
        for &at in &self.entries {
            for Mop {
                is_write,
                key,
                value,
            } in &at.mops
            {
                if *is_write {
                    appends.entry(key).or_default().push(value);
                    if at.kind == OpType::Invoke && !asked.insert((key, value)) {
                        return Some(format!(
                            "{} was to be appended to key {} twice",
                            Excerpt(value),
                            Excerpt(key)
                        ));
                    }
                } else if let Some(list) = value.as_seq()
                    && !list.is_empty()
                {
                    let known = longest.entry(key).or_insert(list);
                    if known.len() < list.len() {
                        *known = list;
                    }
                }
            }
        }
        let completed = self.completed_writes();
        let unfinished = self.unfinished();
        let hidden = |write: &Write<'a>| {
            asked.contains(write) && !completed.contains(write) && !unfinished.contains(write)
        };
        let once = appends
            .iter()
            .filter(|(key, values)| values.len() == 1 && !longest.contains_key(*key))
            .map(|(key, values)| (*key, values[0]));
        let read = longest
            .iter()
            .flat_map(|(key, list)| list.iter().map(move |element| (*key, element)));
        let (key, element) = read.chain(once).filter(hidden).min()?;
        Some(format!(
            "the transaction that was to append {} to key {} was answered as if it had not",
            Excerpt(element),
            Excerpt(key)
        ))
    }

    /// What was to be written by transactions that a run was cut short in.
    fn unfinished(&self) -> HashSet<Write<'a>> {
        let unfinished = self
            .transactions
            .iter()
            .filter(|it| it.completion.is_none());
        unfinished.flat_map(|it| it.invocation.writes()).collect()
    }

    /// Why Elle cannot make sense of registers: keys of several types (`assert-type-sanity`), or
    /// one value of a key, which was read, from several transactions (`wr-graph`).
    pub(super) fn confused_registers(&self) -> Option<String> {
        let mut first: Option<&Edn> = None;
        for Mop { key, .. } in self.entries.iter().flat_map(|entry| &entry.mops) {
            let known = *first.get_or_insert(key);
            if std::mem::discriminant(known) != std::mem::discriminant(key) {
                return Some(format!(
                    "keys are of several types, such as {} and {}",
                    Excerpt(known),
                    Excerpt(key)
                ));
            }
        }
        let written_twice = self.written_twice();
        let mut read = HashSet::new();
        for ok in self.oks() {
            let mut touched = HashSet::new();
            for mop in &ok.mops {
                if touched.insert(&mop.key) && !mop.is_write {
                    read.insert((&mop.key, &mop.value));
                }
            }
        }
        let (key, value) = written_twice.intersection(&read).min()?;
        Some(format!(
            "several transactions were answered as if they had written {} to key {}",
            Excerpt(value),
            Excerpt(key)
        ))
    }

    /// What more than one transaction left behind, going by the answers. Null cannot be told
    /// from what was never written, so that is among it as soon as one transaction did.
    pub(super) fn written_twice(&self) -> HashSet<Write<'a>> {
        let mut once = HashSet::new();
        let mut twice = HashSet::new();
        for ok in self.oks() {
            let last: HashMap<&Edn, &Edn> = ok.writes().collect();
            for write in last {
                if write.1.is_nil() || !once.insert(write) {
                    twice.insert(write);
                }
            }
        }
        twice
    }

    /// What to tell people of answers that are not what was asked.
    pub(super) fn warning(&self) -> Option<String> {
        let same = |(asked, answered): (&Mop, &Mop)| {
            asked.is_write == answered.is_write
                && asked.key == answered.key
                && (!asked.is_write || asked.value == answered.value)
        };
        let other = |(asked, answered): &(&Entry, &Entry)| {
            let (asked, answered) = (&asked.mops, &answered.mops);
            asked.len() != answered.len() || !asked.iter().zip(answered).all(same)
        };
        let answered = self.transactions.iter().filter_map(|it| {
            let ok = it.completion.as_ref();
            let ok = ok.filter(|answered| answered.kind == OpType::Ok)?;
            Some((&it.invocation, ok))
        });
        let others: Vec<_> = answered.filter(other).collect();
        let (asked, answered) = others.first()?;
        let shown = |entry: &Entry| {
            let mops = entry.mops.iter();
            Edn::vector(mops.map(|mop| mop.to_edn(self.write)))
        };
        Some(format!(
            "{} transactions were answered with other operations than they asked for, the first \
             in operation {}, {} with {}: an answer repeats what was asked, with what was read",
            others.len(),
            answered.at.index,
            Excerpt(&shown(asked)),
            Excerpt(&shown(answered))
        ))
    }

    /// What was read and nobody ever tried to write, as transaction, micro-operation and value,
    /// the first in each micro-operation.
    pub(super) fn unwritten_reads(&self) -> Vec<(&'a Entry, &'a Mop, &'a Edn)> {
        let written = self.entries.iter().flat_map(|entry| entry.writes());
        let written: HashSet<Write<'a>> = written.collect();
        let mut unwritten = Vec::new();
        for ok in self.oks() {
            for mop in ok.reads() {
                let read = match (self.write, &mop.value) {
                    (_, Edn::Nil) => &[],
                    ("append", list) => list.as_seq().unwrap_or(&[]),
                    (_, value) => std::slice::from_ref(value),
                };
                let mut read = read.iter();
                if let Some(element) = read.find(|value| !written.contains(&(&mop.key, *value))) {
                    unwritten.push((ok, mop, element));
                }
            }
        }
        unwritten
    }
}
