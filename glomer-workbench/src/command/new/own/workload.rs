//! What clients ask of a ticket machine, and what must hold.

use glomer_workbench::prelude::*;

use CRATE::Draw;

/// Clients draw tickets; no two get the same number.
#[derive(Clone)]
pub struct Tickets;

/// What a client can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    Draw,
}

impl Workload for Tickets {
    const NAME: &'static str = "tickets";
    const ABOUT: &'static str = "Clients draw tickets; no two get the same number";
    type Op = Op;
    type Output = u64;
    type Session = ();

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Op> {
        Some(Op::Draw)
    }

    async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<u64, Error> {
        match op {
            Op::Draw => client.call(Draw {}).await,
        }
    }

    fn check(&self, history: &History<Op, u64>) -> Verdict {
        unique(history)
    }
}
