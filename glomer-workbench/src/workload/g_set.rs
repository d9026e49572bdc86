//! `g-set`: a set that only grows.

use glomer_runtime::Error;
use serde_json::json;

use super::{
    Client, Errors, FinalStep, FinalTurn, History, Notation, NotedOp, Reply, Shape, Turn, Workload,
    notation, take,
};
use crate::checker;
use crate::edn::Edn;
use crate::verdict::Verdict;

const ADD_OK: Reply = Reply {
    kind: "add_ok",
    fields: &[],
};
const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::List)],
};

/// Adds 0, 1, 2, … and reads, half and half.
#[derive(Clone, Copy, Debug, Default)]
pub struct GSet {
    next: u64,
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add this element.
    Add(Edn),
    /// Tell all elements.
    Read,
}

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        Ok(match self {
            Op::Add(element) => Notation::new("add", element.clone()),
            Op::Read => Notation::new("read", Edn::Nil),
        })
    }

    fn read(notation: &Notation) -> Result<Op, String> {
        match notation.f.as_str() {
            "add" => Ok(Op::Add(notation.value.clone())),
            "read" => Ok(Op::Read),
            other => Err(notation::unknown(other, &["add", "read"])),
        }
    }
}

impl Workload for GSet {
    const NAME: &'static str = "g-set";
    const ABOUT: &'static str = "A set that only grows; no element is lost";
    /// Maelstrom does not mark the last reads as final.
    const MARKS_FINAL: bool = false;
    type Op = Op;
    /// The element, or all elements.
    type Output = Edn;
    type Session = ();

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        if !turn.rng.chance(0.5) {
            return Some(Op::Read);
        }
        let element = self.next;
        self.next += 1;
        Some(Op::Add(element.into()))
    }

    async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<Edn, Error> {
        match op {
            Op::Add(element) => {
                let body = json!({"type": "add", "element": element.to_json()});
                client.ask(body, &ADD_OK).await?;
                Ok(element.clone())
            }
            Op::Read => {
                let mut answer = client.ask(json!({"type": "read"}), &READ_OK).await?;
                Ok(take(&mut answer, "value"))
            }
        }
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep<Op> {
        FinalStep::once(&turn, Op::Read)
    }

    fn errors(_: &Op) -> Errors {
        Errors::Unknown
    }

    fn check(&self, history: &History<Op, Edn>) -> Verdict {
        checker::set_full::check(history.record(), "add").unwrap_or_else(Verdict::unknown)
    }

    fn meaning(name: &str) -> Option<&'static str> {
        checker::set_full::meaning(name)
    }
}
