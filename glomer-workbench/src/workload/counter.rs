//! `g-counter` and `pn-counter`: counters that all nodes agree on in the end.

use glomer_runtime::{Error, Rng};

use super::add_or_read::AddOrRead;
use super::{Client, Errors, FinalStep, FinalTurn, History, Reply, Shape, Turn, Workload};
use crate::checker;
use crate::edn::Edn;
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
                checker::counter::check(history.record()).unwrap_or_else(Verdict::unknown)
            }

            fn meaning(name: &str) -> Option<&'static str> {
                checker::counter::meaning(name)
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
