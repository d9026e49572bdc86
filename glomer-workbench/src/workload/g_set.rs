//! `g-set`: a set that only grows.

use serde_json::json;

use super::client::{Call, Client, OneCall, take};
use super::reply::{Reply, Shape};
use super::{Errors, FinalStep, FinalTurn, Invocation, Traffic, Turn, either, one_final_read};
use crate::edn::Edn;

const ADD_OK: Reply = Reply {
    kind: "add_ok",
    fields: &[],
};
const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::List)],
};

/// Adds 0, 1, 2, … and reads, half and half.
#[derive(Default)]
pub(super) struct GSet {
    next: u64,
}

impl Traffic for GSet {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let thread = turn.threads.next_free()?;
        let next = &mut self.next;
        let add = || {
            let element = *next;
            *next += 1;
            Invocation::new("add", element.into())
        };
        let read = || Invocation::new("read", Edn::Nil);
        Some((thread, either(turn.rng, add, read)))
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep {
        // Maelstrom does not mark this one as final.
        one_final_read(&turn, Invocation::new("read", Edn::Nil))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(OneCall {
            request: |op| match op.f {
                "add" => Call {
                    body: json!({"type": "add", "element": op.value.to_json()}),
                    reply: &ADD_OK,
                },
                _ => Call {
                    body: json!({"type": "read"}),
                    reply: &READ_OK,
                },
            },
            value: |op, mut body| match op.f {
                "add" => op.value.clone(),
                _ => take(&mut body, "value"),
            },
        })
    }

    fn errors(&self) -> Errors {
        Errors::Untold
    }
}
