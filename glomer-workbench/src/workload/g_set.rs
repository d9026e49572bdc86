//! `g-set`: a set that only grows.

use glomer_runtime::Error;

use super::add_or_read::AddOrRead;
use super::{Client, Errors, FinalStep, FinalTurn, History, Reply, Shape, Turn, Workload};
use crate::checker::{self, SetOp, set_full};
use crate::edn::Edn;
use crate::verdict::Verdict;

const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::List)],
};

/// Adds 0, 1, 2, … and reads, half and half.
#[derive(Clone, Copy, Debug, Default)]
pub struct GSet {
    next: u64,
}

impl Workload for GSet {
    const NAME: &'static str = "g-set";
    const ABOUT: &'static str = "A set that only grows; no element is lost";
    /// Maelstrom does not mark the last reads as final.
    const MARKS_FINAL: bool = false;
    type Op = AddOrRead;
    /// The element, or all elements.
    type Output = Edn;
    type Session = ();

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<AddOrRead> {
        if !turn.rng.chance(0.5) {
            return Some(AddOrRead::Read);
        }
        let element = self.next;
        self.next += 1;
        Some(AddOrRead::Add(element.into()))
    }

    async fn perform(_: &mut (), client: &Client, op: &AddOrRead) -> Result<Edn, Error> {
        op.perform(client, "element", &READ_OK).await
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep<AddOrRead> {
        FinalStep::once(&turn, AddOrRead::Read)
    }

    fn errors(_: &AddOrRead) -> Errors {
        Errors::Unknown
    }

    fn check(&self, history: &History<AddOrRead, Edn>) -> Verdict {
        check(history, |op| match op {
            AddOrRead::Add(element) => Some(element),
            AddOrRead::Read => None,
        })
    }

    fn meaning(name: &str) -> Option<&'static str> {
        checker::set_full::meaning(name)
    }
}

/// Checks a history in which what adds nothing reads the whole.
pub(super) fn check<'h, Op>(
    history: &'h History<Op, Edn>,
    added: impl Fn(&'h Op) -> Option<&'h Edn>,
) -> Verdict {
    // Null is an empty set.
    let whole = |read: &'h Edn| match read {
        Edn::Nil => Some([].as_slice()),
        read => read.as_seq(),
    };
    let mut reads = history.iter().filter(|it| added(&it.op).is_none());
    let wrong = reads.find_map(|it| it.output().filter(|read| whole(read).is_none()));
    if let Some(wrong) = wrong {
        return Verdict::unknown(format!(
            "a read returned {wrong}, which is not a collection"
        ));
    }
    set_full(history, |operation| {
        Some(match added(&operation.op) {
            Some(element) => SetOp::Add(element),
            None => SetOp::Read(whole(operation.output()?)?.iter().collect()),
        })
    })
}
