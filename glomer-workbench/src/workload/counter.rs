//! `g-counter` and `pn-counter`: counters that all nodes agree on in the end.

use glomer_runtime::{Error, Rng};
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
    fields: &[("value", Shape::Int)],
};

/// `pn-counter`: adds -5 to 4 and reads, half and half.
#[derive(Clone, Copy, Debug, Default)]
pub struct PnCounter;

/// `g-counter`: as `pn-counter`, without the negative adds, which makes reads twice as
/// frequent as adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct GCounter;

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add this to the counter.
    Add(Edn),
    /// Tell the sum.
    Read,
}

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        Ok(match self {
            Op::Add(delta) => Notation::new("add", delta.clone()),
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

fn read_or_add(rng: &Rng, least: i64) -> Op {
    loop {
        if rng.chance(0.5) {
            return Op::Read;
        }
        let delta = rng.below(10) as i64 - 5;
        if delta >= least {
            return Op::Add(delta.into());
        }
    }
}

async fn perform(client: &Client, op: &Op) -> Result<Edn, Error> {
    match op {
        Op::Add(delta) => {
            let body = json!({"type": "add", "delta": delta.to_json()});
            client.ask(body, &ADD_OK).await?;
            Ok(delta.clone())
        }
        Op::Read => {
            let mut answer = client.ask(json!({"type": "read"}), &READ_OK).await?;
            Ok(take(&mut answer, "value"))
        }
    }
}

macro_rules! counter {
    ($counter:ident, $name:literal, $about:literal, $least:expr) => {
        impl Workload for $counter {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            type Op = Op;
            /// The delta, or the sum.
            type Output = Edn;
            type Session = ();

            fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
                Some(read_or_add(turn.rng, $least))
            }

            async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<Edn, Error> {
                perform(client, op).await
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
                checker::counter::check(history.record()).unwrap_or_else(Verdict::unknown)
            }

    fn meaning(name: &str) -> Option<&'static str> {
        (name == "acceptable").then_some("the ranges in which a final read may lie, after all that was added for certain or perhaps")
    }
        }
    };
}

counter!(
    GCounter,
    "g-counter",
    "A counter that grows; all nodes agree on it in the end",
    0
);
counter!(
    PnCounter,
    "pn-counter",
    "A counter that grows and shrinks; all nodes agree on it in the end",
    i64::MIN
);
