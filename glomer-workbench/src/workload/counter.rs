//! `g-counter` and `pn-counter`: counters that all nodes agree on in the end.

use glomer_runtime::{Error, Rng};

use super::add_or_read::AddOrRead;
use super::{Client, Errors, FinalStep, FinalTurn, History, Reply, Shape, Turn, Workload};
use crate::checker::{self, CounterOp, counter};
use crate::edn::Edn;
use crate::history::typed::{Moment, Operation, Outcome};
use crate::verdict::Verdict;

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

fn read_or_add(rng: &Rng, least: i64) -> AddOrRead {
    loop {
        if rng.chance(0.5) {
            return AddOrRead::Read;
        }
        let delta = rng.below(10) as i64 - 5;
        if delta >= least {
            return AddOrRead::Add(delta.into());
        }
    }
}

macro_rules! counter {
    ($counter:ident, $name:literal, $about:literal, $least:expr) => {
        impl Workload for $counter {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            type Op = AddOrRead;
            /// The delta, or the sum.
            type Output = Edn;
            type Session = ();

            fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<AddOrRead> {
                Some(read_or_add(turn.rng, $least))
            }

            async fn perform(_: &mut (), client: &Client, op: &AddOrRead) -> Result<Edn, Error> {
                op.perform(client, "delta", &READ_OK).await
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
                check(history)
            }

            fn meaning(name: &str) -> Option<&'static str> {
                checker::counter::meaning(name)
            }
        }
    };
}

fn check(history: &History<AddOrRead, Edn>) -> Verdict {
    if let Some(wrong) = history.iter().find_map(|it| what(it).err()) {
        return Verdict::unknown(wrong);
    }
    counter(history, |operation| what(operation).ok()?)
}

/// What an operation is to the counter: of the reads the last ones count, after recovery.
fn what(operation: &Operation<AddOrRead, Edn>) -> Result<Option<CounterOp>, String> {
    let wrong = |value: &Edn, at: Moment| {
        let index = at.index;
        format!("{value} is not an integer to count with, in operation {index}")
    };
    Ok(match (&operation.op, &operation.outcome) {
        (AddOrRead::Add(_), Outcome::Fail) => None,
        (AddOrRead::Add(delta), _) => {
            let number = delta.as_int().map(CounterOp::Add);
            Some(number.ok_or_else(|| wrong(delta, operation.invoked))?)
        }
        (AddOrRead::Read, Outcome::Ok(sum)) if operation.is_final => {
            let number = match sum {
                Edn::Int(sum) => Some((*sum).into()),
                // A node may have let it overflow beyond 64 bits.
                Edn::BigInt(digits) => digits.parse().ok(),
                _ => None,
            };
            let number = number.map(CounterOp::Read);
            Some(
                number
                    .ok_or_else(|| wrong(sum, operation.completed.unwrap_or(operation.invoked)))?,
            )
        }
        (AddOrRead::Read, _) => None,
    })
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
