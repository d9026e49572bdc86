//! How operations ended, over all and by function.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::{History, OpType};

use super::{Validity, Verdict, merge_validity};

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

/// Counts the clients' completions by kind. Valid if every function succeeded at least once.
pub fn stats(history: &History) -> Verdict {
    let mut all = Counts::default();
    let mut by_f: BTreeMap<&str, Counts> = BTreeMap::new();
    for op in history.client_ops().filter(|op| op.kind != OpType::Invoke) {
        all.add(op.kind);
        by_f.entry(&op.f).or_default().add(op.kind);
    }
    let valid = merge_validity(
        by_f.iter()
            .filter(|(f, _)| !MAY_NEVER_SUCCEED.contains(f))
            .map(|(_, counts)| counts.succeeded()),
    );
    let by_f = by_f.iter();
    let by_f =
        Edn::map(by_f.map(|(f, counts)| (*f, counts.verdict(counts.succeeded()).to_edn(history))));
    all.verdict(valid).figure("by-f", by_f)
}
