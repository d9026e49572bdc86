//! Why operations did not succeed.

use std::cmp::Reverse;
use std::fmt;

use crate::edn::Edn;
use crate::history::{History, OpType};

/// As many kinds of failures are told apart.
const MOST_KINDS: usize = 50;
/// As many are told in the terminal.
const KINDS_TOLD: usize = 5;

/// Operations that did not succeed, counted by what was asked and what came of it, the most
/// frequent first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures {
    /// The kinds, at most 50.
    pub kinds: Vec<Kind>,
    /// How many operations are of other kinds.
    pub others: usize,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// The function.
    pub f: String,
    /// Whether the operation failed, or nobody knows ([`OpType::Info`]).
    pub outcome: OpType,
    /// What their errors have in common: `:not-supported` of `[:not-supported "…"]`, the
    /// reason of `"indeterminate: reason: …"`.
    pub error: Edn,
    /// How many there are.
    pub count: usize,
    /// The whole error of the first of them.
    pub sample: Edn,
    /// The index of its completion.
    pub index: usize,
}

impl Failures {
    /// The failures of a history, as far as its operations say what went wrong.
    pub fn of(history: &History) -> Failures {
        let mut failures = Failures::default();
        for op in history.client_ops() {
            let Some(sample) = &op.error else { continue };
            if !matches!(op.kind, OpType::Fail | OpType::Info) || sample.is_nil() {
                continue;
            }
            let error = code(sample);
            let kinds = &mut failures.kinds;
            let same = kinds
                .iter_mut()
                .find(|kind| kind.f == op.f && kind.outcome == op.kind && kind.error == error);
            if let Some(kind) = same {
                kind.count += 1;
            } else if kinds.len() < MOST_KINDS {
                kinds.push(Kind {
                    f: op.f.clone(),
                    outcome: op.kind,
                    error,
                    count: 1,
                    sample: sample.clone(),
                    index: op.index,
                });
            } else {
                failures.others += 1;
            }
        }
        failures.kinds.sort_by_key(|kind| Reverse(kind.count));
        failures
    }

    /// The failures as the results hold them; nothing if there are none.
    pub fn to_edn(&self) -> Option<Edn> {
        if self.kinds.is_empty() {
            return None;
        }
        let kinds = self.kinds.iter().map(|kind| {
            Edn::map([
                ("f", Edn::kw(kind.f.as_str())),
                ("type", Edn::kw(kind.outcome.name())),
                ("error", kind.error.clone()),
                ("count", kind.count.into()),
                ("sample", kind.sample.clone()),
                ("index", kind.index.into()),
            ])
        });
        let others = (self.others > 0).then(|| Edn::map([("others", self.others.into())]));
        Some(Edn::list(kinds.chain(others)))
    }
}

/// The most frequent failures for people, a line each.
impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, kind) in self.kinds.iter().take(KINDS_TOLD).enumerate() {
            let end = if number > 0 { "\n" } else { "" };
            let came_to = match kind.outcome {
                OpType::Fail => "failed",
                _ => "came to nobody knows what",
            };
            let such_as = if kind.sample == kind.error {
                kind.error.to_string()
            } else {
                format!("such as {}", kind.sample.shortened())
            };
            write!(f, "{end}{} × {} {came_to}: {such_as}", kind.count, kind.f)?;
        }
        if self.kinds.len() > KINDS_TOLD {
            write!(f, "\n:failures has {} more", self.kinds.len() - KINDS_TOLD)?;
        }
        Ok(())
    }
}

/// What errors of one kind have in common.
fn code(error: &Edn) -> Edn {
    match error {
        Edn::List(parts) | Edn::Vector(parts) => parts.first().cloned().unwrap_or_default(),
        Edn::String(text) => {
            let parts: Vec<&str> = text.splitn(3, ": ").take(2).collect();
            parts.join(": ").into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Op, Process};

    fn failed(f: &str, kind: OpType, error: &str) -> Op {
        Op {
            error: Some(Edn::parse(error).unwrap()),
            ..Op::new(kind, Process::Client(0), f, Edn::Nil)
        }
    }

    #[test]
    fn failures_are_counted_by_function_outcome_and_code() {
        let missing = |n: usize| {
            failed(
                "read",
                OpType::Fail,
                &format!("[:not-supported \"no {n}\"]"),
            )
        };
        let mut ops: Vec<Op> = (0..3).map(missing).collect();
        ops.push(Op::new(OpType::Ok, Process::Client(1), "read", Edn::Nil));
        ops.push(failed("read", OpType::Info, "[:not-supported \"no\"]"));
        ops.push(failed("write", OpType::Info, ":net-timeout"));
        let unclear = |text: &str| {
            failed(
                "write",
                OpType::Info,
                &format!("\"indeterminate: error 13 crash: {text}\""),
            )
        };
        ops.extend([unclear("a"), unclear("b: c")]);
        let failures = Failures::of(&History(ops));
        let expected = [
            ("read", 3, ":not-supported"),
            ("write", 2, "\"indeterminate: error 13 crash\""),
            ("read", 1, ":not-supported"),
            ("write", 1, ":net-timeout"),
        ];
        let kinds = failures.kinds.iter();
        let kinds: Vec<_> = kinds
            .map(|k| (k.f.as_str(), k.count, k.error.to_string()))
            .collect();
        assert_eq!(
            kinds,
            expected.map(|(f, count, error)| (f, count, error.to_owned()))
        );
        let said = failures.to_string();
        assert_eq!(
            said.lines().next(),
            Some("3 × read failed: such as [:not-supported \"no 0\"]")
        );
        assert!(
            said.contains("1 × write came to nobody knows what: :net-timeout"),
            "{said}"
        );
        assert_eq!(Failures::of(&History::default()).to_edn(), None);
    }

    #[test]
    fn many_kinds_are_counted_together() {
        let ops = (0..60).map(|n| failed("read", OpType::Fail, &format!("[:e{n} nil]")));
        let failures = Failures::of(&History(ops.collect()));
        assert_eq!((failures.kinds.len(), failures.others), (MOST_KINDS, 10));
        let shown = failures.to_edn().unwrap();
        assert_eq!(shown.as_seq().unwrap().len(), MOST_KINDS + 1);
    }
}
