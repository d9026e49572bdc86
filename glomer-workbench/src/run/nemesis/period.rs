//! The periods in which a fault was at work, as the nemesis's operations in a
//! history tell them.

use super::Faults;
use crate::edn::Edn;
use crate::history::{History, Process};

/// One fault, from the operation that began it to the one that ended it.
pub(crate) struct FaultPeriod<'a> {
    /// What was done: `partition`, `kill`, …
    pub(crate) kind: &'a str,
    /// When the nemesis set out to begin it, in ns since the start of the run.
    pub(crate) start: i64,
    /// When the nemesis was done ending it; none for one that outlasts the history.
    pub(crate) stop: Option<i64>,
    /// What the nemesis said about it: whom it cut off from whom, which nodes
    /// it killed.
    pub(crate) detail: Option<&'a Edn>,
}

impl FaultPeriod<'_> {
    /// Whether it was at work at this time.
    pub(crate) fn covers(&self, time: i64) -> bool {
        self.start <= time && self.stop.is_none_or(|stop| time <= stop)
    }

    /// Whether it had the node `dest` drop what came from `src`.
    pub(crate) fn parts(&self, src: &str, dest: &str) -> bool {
        let Some([_, Edn::Map(grudge)]) = self.detail.and_then(Edn::as_seq) else {
            return false;
        };
        grudge.iter().any(|(node, others)| {
            let mut others = others.as_seq().unwrap_or_default().iter();
            node.name() == Some(dest) && others.any(|other| other.name() == Some(src))
        })
    }

    /// Whether it killed this node, with or without its disk.
    pub(crate) fn killed(&self, node: &str) -> bool {
        let became = self.detail.and_then(|detail| detail.get(node));
        matches!(became.and_then(Edn::name), Some("killed" | "wiped"))
    }

    /// In words: `the partition of 0.000 s to 4.409 s`.
    pub(crate) fn words(&self) -> String {
        let kind = self.kind.replace('-', " ");
        let seconds = |ns: i64| ns as f64 / 1e9;
        let start = seconds(self.start);
        match self.stop {
            Some(stop) => format!("the {kind} of {start:.3} s to {:.3} s", seconds(stop)),
            None => format!("the {kind} that began at {start:.3} s"),
        }
    }
}

enum Step<'a> {
    Begin(&'a str),
    End(&'a str),
}

/// What an operation's name says, as the faults name their ends. Others are named as most
/// are, `start-X` and `stop-X`.
fn step<'a>(f: &'a str, nemesis: &'a Faults) -> Option<Step<'a>> {
    let known = nemesis.iter().find_map(|fault| {
        let (begin, end) = fault.functions();
        if f == begin {
            Some(Step::Begin(fault.name()))
        } else {
            (f == end).then(|| Step::End(fault.name()))
        }
    });
    known
        .or_else(|| f.strip_prefix("start-").map(Step::Begin))
        .or_else(|| f.strip_prefix("stop-").map(Step::End))
}

/// The faults of a history, in the order in which they began.
///
/// The nemesis does one thing at a time and each stands in the history twice:
/// when it sets out to do it and when it has done it. A fault may be felt from
/// the first of its beginning to the second of its end.
pub(crate) fn periods<'a>(history: &'a History, nemesis: &'a Faults) -> Vec<FaultPeriod<'a>> {
    let mut faults: Vec<FaultPeriod<'a>> = Vec::new();
    let mut under_way: Option<&str> = None;
    let mut ending: Option<usize> = None;
    for op in history.0.iter().filter(|op| op.process == Process::Nemesis) {
        let is_completion = under_way == Some(op.f.as_str());
        under_way = (!is_completion).then_some(&op.f);
        let last_of = |kind: &str, faults: &[FaultPeriod<'_>]| {
            (faults.iter().rposition(|fault| fault.kind == kind))
                .filter(|&i| faults[i].stop.is_none())
        };
        match (step(&op.f, nemesis), is_completion) {
            (Some(Step::Begin(kind)), false) => {
                // A second start of the same kind replaces the fault at work.
                if let Some(i) = last_of(kind, &faults) {
                    faults[i].stop = Some(op.time);
                }
                faults.push(FaultPeriod {
                    kind,
                    start: op.time,
                    stop: None,
                    detail: Some(&op.value),
                });
            }
            (Some(Step::Begin(kind)), true) => {
                if let Some(i) = last_of(kind, &faults) {
                    faults[i].detail = Some(&op.value);
                }
            }
            (Some(Step::End(kind)), false) => {
                ending = last_of(kind, &faults);
                if let Some(i) = ending {
                    faults[i].stop = Some(op.time);
                }
            }
            (Some(Step::End(_)), true) => {
                if let Some(i) = ending.take() {
                    faults[i].stop = Some(op.time);
                }
            }
            (None, _) => {}
        }
    }
    for fault in &mut faults {
        fault.detail = fault.detail.filter(|detail| **detail != Edn::Nil);
    }
    faults
}
