//! `broadcast`: values spread to every node.

use serde_json::json;

use super::client::{Call, Client, OneCall, take};
use super::reply::{Reply, Shape};
use super::topology::Neighbours;
use super::{
    Errors, FinalStep, FinalTurn, Invocation, Setting, Traffic, Turn, either, one_final_read,
};
use crate::edn::Edn;

const TOPOLOGY_OK: Reply = Reply {
    kind: "topology_ok",
    fields: &[],
};
const BROADCAST_OK: Reply = Reply {
    kind: "broadcast_ok",
    fields: &[],
};
const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("messages", Shape::List)],
};

/// Broadcasts 0, 1, 2, … and reads, half and half.
pub(super) struct Broadcast {
    neighbours: Neighbours,
    next: u64,
}

impl Broadcast {
    pub(super) fn new(setting: &Setting) -> Broadcast {
        Broadcast {
            neighbours: setting.topology.neighbours(&setting.nodes),
            next: 0,
        }
    }
}

impl Traffic for Broadcast {
    fn setup(&self) -> Option<Call> {
        Some(Call {
            body: json!({"type": "topology", "topology": self.neighbours}),
            reply: &TOPOLOGY_OK,
        })
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let thread = turn.threads.next_free()?;
        let next = &mut self.next;
        let broadcast = || {
            let value = *next;
            *next += 1;
            Invocation::new("broadcast", value.into())
        };
        let read = || Invocation::new("read", Edn::Nil);
        Some((thread, either(turn.rng, broadcast, read)))
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
                "broadcast" => Call {
                    body: json!({"type": "broadcast", "message": op.value.to_json()}),
                    reply: &BROADCAST_OK,
                },
                _ => Call {
                    body: json!({"type": "read"}),
                    reply: &READ_OK,
                },
            },
            value: |op, mut body| match op.f {
                "broadcast" => op.value.clone(),
                _ => take(&mut body, "messages"),
            },
        })
    }

    fn errors(&self) -> Errors {
        Errors::Told {
            idempotent: &["read"],
        }
    }
}
