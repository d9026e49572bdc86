//! `g-set`: a set that only grows.

use glomer_runtime::Error;

use super::add_or_read::AddOrRead;
use super::{Client, Errors, FinalStep, FinalTurn, History, Reply, Shape, Turn, Workload};
use crate::checker;
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
        checker::set_full::check(history.record(), "add").unwrap_or_else(Verdict::unknown)
    }

    fn meaning(name: &str) -> Option<&'static str> {
        checker::set_full::meaning(name)
    }
}
