//! Answers that are not what was asked: operations missing, other keys, other values.
//!
//! Elle reads most of what it knows from completions, and some of it from invocations as well:
//! which writes were intermediate, and which keys were appended to once. So it finds a `G1b`
//! where an answer hides the write that made another one intermediate, and stops with an
//! assertion where a list has an element that no completion wrote. Where it says nothing, there
//! is a warning.

use std::collections::{HashMap, HashSet};

use crate::edn::Edn;
use crate::history::{Excerpt, History, Op, OpType, Process};

use super::mops;

/// A key and what was written to it.
type Write<'a> = (&'a Edn, &'a Edn);

/// The transactions of a history: what was asked, and what was answered.
pub(super) struct Answers<'a> {
    ops: Vec<&'a Op>,
    pairs: Vec<(&'a Op, &'a Op)>,
    /// What a write is called.
    write: &'static str,
}

impl<'a> Answers<'a> {
    pub(super) fn of(history: &'a History, write: &'static str) -> Self {
        let pairs = history.pairs().into_iter();
        Self {
            ops: super::transactions(history).collect(),
            pairs: pairs
                .filter(|(invocation, _)| invocation.f == "txn")
                .filter_map(|(invocation, completion)| Some((invocation, completion?)))
                .filter(|(_, completion)| completion.kind == OpType::Ok)
                .collect(),
            write,
        }
    }

    fn oks(&self) -> impl Iterator<Item = &'a Op> {
        let ops = self.ops.iter().copied();
        ops.filter(|op| op.kind == OpType::Ok)
    }

    fn writes(&self, op: &'a Op) -> impl Iterator<Item = Write<'a>> {
        mops(op)
            .filter(|(_, [f, ..])| f.name() == Some(self.write))
            .map(|(_, [_, key, value])| (key, value))
    }

    /// The writes that completions tell of, however the transactions ended.
    fn completed_writes(&self) -> HashSet<Write<'a>> {
        let completions = self.ops.iter().filter(|op| op.kind != OpType::Invoke);
        completions.flat_map(|op| self.writes(op)).collect()
    }

    /// What Elle calls `G1b` because of invocations alone (`intermediate-write-indices` and
    /// `g1b-cases`, which go over both): reads of a write that was to be overwritten by the same
    /// transaction, whose answer does not say so.
    pub(super) fn intermediate_reads(&self) -> Vec<Edn> {
        let mut asked: HashMap<Write<'a>, &'a Op> = HashMap::new();
        let mut answered: HashSet<Write<'a>> = HashSet::new();
        for &op in &self.ops {
            let mut last: HashMap<&Edn, &Edn> = HashMap::new();
            for (key, value) in self.writes(op) {
                if let Some(intermediate) = last.insert(key, value) {
                    match op.kind {
                        OpType::Invoke => drop(asked.insert((key, intermediate), op)),
                        _ => drop(answered.insert((key, intermediate))),
                    }
                }
            }
        }
        asked.retain(|write, _| !answered.contains(write));
        let mut cases = Vec::new();
        for op in self.oks() {
            for (mop, [f, key, value]) in mops(op) {
                let (read, element) = match (self.write, value) {
                    ("append", list) => (list.as_seq().and_then(<[Edn]>::last), true),
                    (_, value) => (Some(value), false),
                };
                if f.name() == Some("r")
                    && let Some(read) = read
                    && let Some(writer) = asked.get(&(key, read))
                {
                    let mut case = Edn::map([
                        ("op", op.to_tagged()),
                        ("mop", mop.clone()),
                        ("writer", writer.to_tagged()),
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
        for &op in &self.ops {
            for (_, [f, key, value]) in mops(op) {
                if f.name() == Some(self.write) {
                    appends.entry(key).or_default().push(value);
                    if op.kind == OpType::Invoke && !asked.insert((key, value)) {
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
        let mut under_way: HashMap<Process, &Op> = HashMap::new();
        for &op in &self.ops {
            match op.kind {
                OpType::Invoke => under_way.insert(op.process, op),
                _ => under_way.remove(&op.process),
            };
        }
        let under_way = under_way.into_values();
        under_way.flat_map(|op| self.writes(op)).collect()
    }

    /// Why Elle cannot make sense of registers: keys of several types (`assert-type-sanity`), or
    /// one value of a key, which was read, from several transactions (`wr-graph`).
    pub(super) fn confused_registers(&self) -> Option<String> {
        let keys = self.ops.iter().flat_map(|op| mops(op));
        let keys = keys.map(|(_, [_, key, _])| key);
        let mut first: Option<&Edn> = None;
        for key in keys {
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
        for op in self.oks() {
            let mut touched = HashSet::new();
            for (_, [f, key, value]) in mops(op) {
                if touched.insert(key) && f.name() == Some("r") {
                    read.insert((key, value));
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
        for op in self.oks() {
            let last: HashMap<&Edn, &Edn> = self.writes(op).collect();
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
        let other = |(asked, answered): &&(&Op, &Op)| {
            let same = |(asked, answered): ([&Edn; 3], [&Edn; 3])| {
                let writes = asked[0].name() == Some(self.write);
                asked[0].name() == answered[0].name()
                    && asked[1] == answered[1]
                    && (!writes || asked[2] == answered[2])
            };
            let [asked, answered] = [*asked, *answered].map(|op| mops(op).map(|(_, mop)| mop));
            let (asked, answered): (Vec<_>, Vec<_>) = (asked.collect(), answered.collect());
            asked.len() != answered.len() || !asked.into_iter().zip(answered).all(same)
        };
        let others: Vec<_> = self.pairs.iter().filter(other).collect();
        let (asked, answered) = others.first()?;
        Some(format!(
            "{} transactions were answered with other operations than they asked for, the first \
             in operation {}, {} with {}: an answer repeats what was asked, with what was read",
            others.len(),
            answered.index,
            Excerpt(&asked.value),
            Excerpt(&answered.value)
        ))
    }

    /// What was read and nobody ever tried to write, as operation, micro-operation and value,
    /// the first in each micro-operation.
    pub(super) fn unwritten_reads(&self) -> Vec<(&'a Op, &'a Edn, &'a Edn)> {
        let written: HashSet<Write<'a>> = self.ops.iter().flat_map(|op| self.writes(op)).collect();
        let mut unwritten = Vec::new();
        for op in self.oks() {
            for (mop, [f, key, value]) in mops(op) {
                let read = match (self.write, value) {
                    (_, Edn::Nil) => &[],
                    ("append", list) => list.as_seq().unwrap_or(&[]),
                    (_, value) => std::slice::from_ref(value),
                };
                let element = read.iter().find(|value| !written.contains(&(key, *value)));
                if f.name() == Some("r")
                    && let Some(element) = element
                {
                    unwritten.push((op, mop, element));
                }
            }
        }
        unwritten
    }
}
