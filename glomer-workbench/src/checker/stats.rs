//! How operations ended, over all and by function.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::{History, OpType};

use super::{Validity, Verdict};
use crate::verdict::Reason;

#[derive(Default)]
struct Counts {
    ok: usize,
    fail: usize,
    info: usize,
}

impl Counts {
    fn add(&mut self, kind: OpType) {
        match kind {
            OpType::Invoke => {}
            OpType::Ok => self.ok += 1,
            OpType::Fail => self.fail += 1,
            OpType::Info => self.info += 1,
        }
    }

    fn verdict(&self, validity: Validity) -> Verdict {
        Verdict::new(validity)
            .figure("count", self.ok + self.fail + self.info)
            .figure("ok-count", self.ok)
            .figure("fail-count", self.fail)
            .figure("info-count", self.info)
    }

    fn succeeded(&self) -> Validity {
        (self.ok > 0).into()
    }
}

/// Functions that may end badly every time: `:crash` exists to replace a client.
const MAY_NEVER_SUCCEED: [&str; 2] = ["crash", "debug-topic-partitions"];

/// Counts the clients' completions by kind, over all (`count`, `ok-count`, `fail-count`,
/// `info-count`) and for each function (`by-f`). Valid if every function succeeded at least
/// once, as for Jepsen's `checker/stats`.
///
/// Every run is judged so, of whatever workload.
///
/// ```
/// use glomer_workbench::checker::stats;
/// use glomer_workbench::history::{History, Op, OpType, Process};
/// use glomer_workbench::verdict::Validity;
///
/// let op = |kind, f| Op::new(kind, Process::Client(0), f, 7.into());
/// let history: History = [
///     op(OpType::Invoke, "write"),
///     op(OpType::Ok, "write"),
///     op(OpType::Invoke, "read"),
///     op(OpType::Fail, "read"),
/// ]
/// .into_iter()
/// .collect();
///
/// let verdict = stats(&history);
/// assert_eq!(verdict.validity(), Validity::False);
/// assert_eq!(verdict.get("ok-count"), Some(&1.into()));
/// assert_eq!(verdict.reasons()[0].headline(), "no `read` succeeded");
/// ```
pub fn stats(history: &History) -> Verdict {
    let mut all = Counts::default();
    let mut by_f: BTreeMap<&str, Counts> = BTreeMap::new();
    for op in history.client_ops().filter(|op| op.kind != OpType::Invoke) {
        all.add(op.kind);
        by_f.entry(&op.f).or_default().add(op.kind);
    }
    let never: Vec<(&&str, &Counts)> = by_f
        .iter()
        .filter(|(f, counts)| counts.ok == 0 && !MAY_NEVER_SUCCEED.contains(f))
        .collect();
    let valid: Validity = never.is_empty().into();
    let shown = Edn::map(
        by_f.iter()
            .map(|(f, counts)| (*f, counts.verdict(counts.succeeded()).to_edn(history))),
    );
    let never = never.into_iter().map(|(f, counts)| {
        let count = counts.fail + counts.info;
        Reason::new(format!("no `{f}` succeeded")).because(
            format!(
                "Of {count}, {} failed, and of {} nobody knows.",
                counts.fail, counts.info
            ),
            [],
        )
    });
    let verdict = all.verdict(valid).figure("by-f", shown);
    never.fold(verdict, Verdict::because)
}
