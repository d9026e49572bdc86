//! `broadcast`: values spread to every node.

use glomer_runtime::Error;
use serde_json::json;

use super::topology::Neighbours;
use super::{
    Client, Errors, FinalStep, FinalTurn, History, Notation, NotedOp, Reply, Setting, Shape, Turn,
    Workload, g_set, notation, take,
};
use crate::checker;
use crate::edn::Edn;
use crate::verdict::Verdict;

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
#[derive(Clone, Debug, Default)]
pub struct Broadcast {
    neighbours: Neighbours,
    next: u64,
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Spread this value.
    Broadcast(Edn),
    /// Tell all values.
    Read,
}

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        Ok(match self {
            Op::Broadcast(value) => Notation::new("broadcast", value.clone()),
            Op::Read => Notation::new("read", Edn::Nil),
        })
    }

    fn read(notation: &Notation) -> Result<Op, String> {
        match notation.f.as_str() {
            "broadcast" => Ok(Op::Broadcast(notation.value.clone())),
            "read" => Ok(Op::Read),
            other => Err(notation::unknown(other, &["broadcast", "read"])),
        }
    }
}

impl Workload for Broadcast {
    const NAME: &'static str = "broadcast";
    const ABOUT: &'static str = "Values spread to every node; none is lost";
    type Op = Op;
    /// The value, or all values.
    type Output = Edn;
    type Session = ();

    fn begin(&mut self, setting: &Setting) {
        self.neighbours = setting.topology.neighbours(&setting.nodes);
    }

    async fn set_up(&self, client: &Client) -> Result<(), Error> {
        let body = json!({"type": "topology", "topology": self.neighbours});
        client.ask(body, &TOPOLOGY_OK).await.map(drop)
    }

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        if !turn.rng.chance(0.5) {
            return Some(Op::Read);
        }
        let value = self.next;
        self.next += 1;
        Some(Op::Broadcast(value.into()))
    }

    async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<Edn, Error> {
        match op {
            Op::Broadcast(value) => {
                let body = json!({"type": "broadcast", "message": value.to_json()});
                client.ask(body, &BROADCAST_OK).await?;
                Ok(value.clone())
            }
            Op::Read => {
                let mut answer = client.ask(json!({"type": "read"}), &READ_OK).await?;
                Ok(take(&mut answer, "messages"))
            }
        }
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep<Op> {
        FinalStep::once(&turn, Op::Read)
    }

    fn errors(op: &Op) -> Errors {
        match op {
            Op::Broadcast(_) => Errors::Definite,
            Op::Read => Errors::Harmless,
        }
    }

    fn check(&self, history: &History<Op, Edn>) -> Verdict {
        g_set::check(history, |op| match op {
            Op::Broadcast(value) => Some(value),
            Op::Read => None,
        })
    }

    fn meaning(name: &str) -> Option<&'static str> {
        checker::set_full::meaning(name)
    }

    fn depends_on(setting: &Setting) -> Vec<(&'static str, String)> {
        vec![("topology", format!("{:?}", setting.topology).to_lowercase())]
    }
}
