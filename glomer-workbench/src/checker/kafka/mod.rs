//! kafka: logs lose nothing, and whoever follows one sees it in order.
//!
//! This is the analysis of Jepsen's Kafka test as Maelstrom runs it, with `assign` only. The
//! offsets that sends and polls return give the order of each key's log; against it are held
//!
//! - `:lost-write`: acknowledged messages that no poll ever returned though one returned a later
//!   message of the same key; `:unseen`: those that no poll had returned at the end;
//! - `:G1a`: polled messages whose send failed; `:precommitted-read`: a transaction that polled
//!   what it sent itself;
//! - `:inconsistent-offsets`: different messages at one offset; `:duplicate`: one message at
//!   several offsets;
//! - `:poll-skip`, `:nonmonotonic-poll`, `:nonmonotonic-send`: from one transaction of a process
//!   to its next, messages are passed over or the order is reversed; with `int-` in front, within
//!   one transaction;
//! - `:G1c` and `:G1c-realtime`: transactions that saw each other in a circle.
//!
//! Passing over messages within a transaction of sends (`:int-send-skip`) is how Kafka works and
//! invalidates nothing.
//!
//! Where Jepsen's checker stops with an exception, over a polled message that nobody sent, this
//! one reports an `:unwritten-read`.

mod cycles;
mod facts;
mod gaps;
mod lag;
mod log;
mod messages;
mod transaction;
mod why;

use std::collections::{BTreeMap, HashMap};

use crate::edn::Edn;
use crate::history::OpType;
use crate::history::typed::{History, Operation};
use crate::verdict::{Validity, Verdict};

use facts::Facts;
use gaps::{Gap, Side};
use log::Log;
use transaction::{Event, Id, Names};

pub(crate) use transaction::{LogFunction, LogOp};

/// How many of the errors of a type the results show, of those types that may have many.
const GAPS_SHOWN: usize = 8;
const CYCLES_SHOWN: usize = 8;
const MOST_SHOWN: usize = 32;

/// Errors that Kafka's own design brings about.
const ALLOWED: [&str; 1] = ["int-send-skip"];

/// # Errors
/// If an operation is not what its function says.
pub(crate) fn check<'h, Op, Output>(
    history: &'h History<Op, Output>,
    what: impl Fn(&'h Operation<Op, Output>) -> Option<LogOp<'h>>,
) -> Result<Verdict, String> {
    let (events, names) = transaction::read(history, what)?;
    let errors = if history.operations().is_empty() {
        // A history in which nothing happened is not looked into.
        BTreeMap::new()
    } else {
        errors(&events, &names)?
    };
    let types = |bad: bool| {
        let types = errors
            .keys()
            .filter(|kind| !(bad && ALLOWED.contains(kind)))
            .map(|kind| Edn::kw(*kind));
        types.collect::<Vec<Edn>>()
    };
    let bad = types(true);
    let mut causes: Vec<Edn> = Vec::new();
    for (event, _) in transaction::transactions(&events) {
        if event.end == OpType::Info && event.completed.is_some() {
            let cause = event.error.cloned().unwrap_or_default();
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
    }
    let verdict = Verdict::new(bad.is_empty())
        .figure("worst-realtime-lag", lag::worst(&events, &names))
        .figure("bad-error-types", Edn::List(bad))
        .figure("error-types", Edn::List(types(false)))
        .figure("info-txn-causes", Edn::List(causes));
    let reasons = if verdict.validity() == Validity::True {
        Vec::new()
    } else {
        why::reasons(&errors, &events, &names, &|process| history.who(process))
    };
    let verdict = errors.into_iter().fold(verdict, |verdict, (kind, found)| {
        verdict.figure(kind, found)
    });
    Ok(reasons.into_iter().fold(verdict, Verdict::because))
}

/// The errors of each type there is, as the results show them.
///
/// # Errors
/// If no message that was polled of a key has a place in its log.
fn errors(events: &[Event<'_>], names: &Names<'_>) -> Result<BTreeMap<&'static str, Edn>, String> {
    let facts = Facts::of(events);
    let logs = log::logs(events, &facts, names);
    let by_key: HashMap<Id, &Log> = logs.iter().map(|(key, log)| (*key, log)).collect();
    let nowhere = facts.polled_keys().filter(|key| !by_key.contains_key(key));
    if let Some(key) = nowhere.min_by_key(|key| names.value(*key)) {
        return Err(format!(
            "polls of key {} returned no message at an offset of 0 or above",
            names.value(key)
        ));
    }
    let internal = |side| gaps::internal(side, events, &by_key, names);
    let external = |side| gaps::external(side, events, &by_key);
    let within = |gap: &Gap| gap.internal(names, events);
    let across = |gap: &Gap| gap.external(names, events);

    let mut errors = Errors::default();
    errors.note("G1a", messages::failed_but_polled(events, &facts, names));
    errors.note("precommitted-read", messages::own_polled(events, names));
    errors.note(
        "unwritten-read",
        messages::never_sent(events, &facts, names),
    );
    errors.note("lost-write", messages::lost(events, &facts, &logs, names));
    errors.most("inconsistent-offsets", log::inconsistent(&logs, names));
    errors.most("duplicate", log::duplicates(&logs, names));
    let polls = internal(Side::Polls);
    errors.skips("int-poll-skip", polls.skips, within);
    errors.nonmonotonic("int-nonmonotonic-poll", polls.nonmonotonic, within);
    let sends = internal(Side::Sends);
    errors.skips("int-send-skip", sends.skips, within);
    errors.nonmonotonic("int-nonmonotonic-send", sends.nonmonotonic, within);
    let polls = external(Side::Polls);
    errors.skips("poll-skip", polls.skips, across);
    errors.nonmonotonic("nonmonotonic-poll", polls.nonmonotonic, across);
    let sends = external(Side::Sends);
    errors.nonmonotonic("nonmonotonic-send", sends.nonmonotonic, across);
    let cycles = cycles::find(events, &facts, names);
    errors.cycles("G1c", cycles.g1c);
    errors.cycles("G1c-realtime", cycles.g1c_realtime);
    if cycles.empty {
        errors
            .0
            .insert("empty-transaction-graph", counted(1, Vec::new()));
    }
    if let Some(unseen) = messages::unseen(events, names) {
        errors.0.insert("unseen", unseen);
    }
    Ok(errors.0)
}

#[derive(Default)]
struct Errors(BTreeMap<&'static str, Edn>);

impl Errors {
    /// Shows all errors there are.
    fn note(&mut self, kind: &'static str, found: Vec<Edn>) {
        if !found.is_empty() {
            self.0.insert(kind, counted(found.len(), found));
        }
    }

    /// Shows some, of errors that come with how many messages or offsets they are about.
    fn most(&mut self, kind: &'static str, mut found: Vec<(usize, Edn)>) {
        if !found.is_empty() {
            let count = found.len();
            found.sort_by_key(|(size, _)| *size);
            let shown = found.into_iter().take(MOST_SHOWN).map(|(_, found)| found);
            self.0.insert(kind, counted(count, shown.collect()));
        }
    }

    /// Shows the widest, the widest last.
    fn skips(&mut self, kind: &'static str, mut found: Vec<Gap>, show: impl Fn(&Gap) -> Edn) {
        if !found.is_empty() {
            found.sort_by_key(|gap| gap.delta);
            let shown = &found[found.len().saturating_sub(GAPS_SHOWN)..];
            let shown = shown.iter().map(show).collect();
            self.0.insert(kind, counted(found.len(), shown));
        }
    }

    /// Shows those that go furthest back, the furthest first.
    fn nonmonotonic(
        &mut self,
        kind: &'static str,
        mut found: Vec<Gap>,
        show: impl Fn(&Gap) -> Edn,
    ) {
        if !found.is_empty() {
            found.sort_by_key(|gap| gap.delta);
            let shown = found.iter().take(GAPS_SHOWN).map(show).collect();
            self.0.insert(kind, counted(found.len(), shown));
        }
    }

    /// Shows the shortest.
    fn cycles(&mut self, kind: &'static str, mut found: Vec<Edn>) {
        if !found.is_empty() {
            let count = found.len();
            found.sort_by_key(|cycle| cycle.get("steps").and_then(Edn::as_seq).map(<[Edn]>::len));
            found.truncate(CYCLES_SHOWN);
            self.0.insert(kind, counted(count, found));
        }
    }
}

fn counted(count: usize, shown: Vec<Edn>) -> Edn {
    Edn::map([("count", count.into()), ("errs", Edn::List(shown))])
}
