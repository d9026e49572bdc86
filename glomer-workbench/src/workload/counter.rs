//! `g-counter` and `pn-counter`: counters that all nodes agree on in the end.

use serde_json::json;

use super::client::{Call, Client, OneCall, take};
use super::reply::{Reply, Shape};
use super::{Errors, FinalStep, FinalTurn, Invocation, Traffic, Turn, one_final_read};
use crate::edn::Edn;

const ADD_OK: Reply = Reply {
    kind: "add_ok",
    fields: &[],
};
const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::Int)],
};

/// Adds -5 to 4 and reads.
pub(super) struct Counter {
    only_grows: bool,
}

impl Counter {
    /// `pn-counter`: adds and reads are half and half.
    pub(super) fn new() -> Counter {
        Counter { only_grows: false }
    }

    /// `g-counter`: as `pn-counter`, without the negative adds, which makes reads twice as
    /// frequent as adds.
    pub(super) fn growing() -> Counter {
        Counter { only_grows: true }
    }
}

impl Traffic for Counter {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let thread = turn.threads.next_free()?;
        loop {
            if turn.rng.chance(0.5) {
                return Some((thread, Invocation::new("read", Edn::Nil)));
            }
            let delta = turn.rng.below(10) as i64 - 5;
            if delta >= 0 || !self.only_grows {
                return Some((thread, Invocation::new("add", delta.into())));
            }
        }
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep {
        one_final_read(&turn, Invocation::final_read())
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(OneCall {
            request: |op| match op.f {
                "add" => Call {
                    body: json!({"type": "add", "delta": op.value.to_json()}),
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
