//! A ticket machine: every client that draws gets a number that nobody got before.
//!
//! One node counts, and the others ask it.

use glomer_runtime::prelude::*;

/// The node that counts.
const KEEPER: &str = "n0";

/// What a node knows.
#[derive(Default)]
pub struct Machine {
    drawn: u64,
}

/// Draws a ticket.
#[handler("draw", reply = "ticket")]
pub async fn draw(machine: &Shared<Machine>, cx: &Context) -> Result<u64, Error> {
    if cx.node_id() == KEEPER {
        Ok(machine.with(|machine| {
            machine.drawn += 1;
            machine.drawn
        }))
    } else {
        cx.rpc(KEEPER, Draw {}).await
    }
}
