//! The clients' operations of a history: each invocation with its completion.

use crate::history::{History, Op, OpType};

/// What became of an operation. The order is the one in which they are drawn
/// and listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ended {
    /// It took place.
    Ok,
    /// Nobody knows whether it took place.
    Info,
    /// It did not take place.
    Fail,
}

impl Ended {
    pub(super) const ALL: [Self; 3] = [Self::Ok, Self::Info, Self::Fail];

    /// As the history writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Fail => "fail",
        }
    }
}

/// An invocation and, when it came to one, its completion.
pub(super) struct Pair<'a> {
    pub(super) invocation: &'a Op,
    pub(super) completion: Option<&'a Op>,
}

impl Pair<'_> {
    /// An operation without a completion may have taken place: `info`.
    pub(super) fn outcome(&self) -> Ended {
        match self.completion.map(|op| op.kind) {
            Some(OpType::Ok) => Ended::Ok,
            Some(OpType::Fail) => Ended::Fail,
            _ => Ended::Info,
        }
    }

    /// From invocation to completion, in ns.
    pub(super) fn latency(&self) -> Option<i64> {
        self.completion.map(|op| op.time - self.invocation.time)
    }
}

/// The clients' operations in the order of their invocation.
pub(super) fn operations(history: &History) -> Vec<Pair<'_>> {
    (history.pairs().into_iter())
        .map(|(invocation, completion)| Pair {
            invocation,
            completion,
        })
        .collect()
}

/// The names of the functions, in the order of their first use.
pub(super) fn functions<'a>(operations: &[Pair<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for operation in operations {
        if !names.contains(&operation.invocation.f.as_str()) {
            names.push(&operation.invocation.f);
        }
    }
    names
}

/// The value below which the share `q` of `sorted` lies, as Jepsen picks it:
/// the element at ⌊n·q⌋, or the last.
pub(super) fn quantile(sorted: &[i64], q: f64) -> Option<i64> {
    let i = (sorted.len() as f64 * q) as usize;
    sorted.get(i).or(sorted.last()).copied()
}
