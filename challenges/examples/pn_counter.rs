//! A counter that goes up and down, without a store: a CRDT.
//!
//! Workbench: cargo glomer test -w pn-counter --example pn_counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//! Maelstrom: maelstrom test -w pn-counter --bin target/release/examples/pn_counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//!
//! The counter is the sum of a grow-only set of additions. Each addition is
//! named after its node, the run of it and a count, so that two of the same
//! amount are two, and one that arrives twice is one. The set goes everywhere
//! by `Spread`; a node adds and reads at once, whatever the network does.

use glomer_runtime::prelude::*;
use glomer_spread::{News, Spread};
use serde::{Deserialize, Serialize};

/// Ordered by its name first; the amount follows from the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Addition {
    node: String,
    run: u32,
    number: u32,
    delta: i64,
}

#[derive(Default)]
struct State {
    additions: Spread<Addition>,
    run: u32,
    number: u32,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.run = cx.rng().next_u64() as u32;
    state.additions.start(cx);
}

#[handler("add")]
fn add(state: &mut State, cx: &Context, delta: i64) {
    state.number += 1;
    let addition = Addition {
        node: cx.node_id().into(),
        run: state.run,
        number: state.number,
        delta,
    };
    state.additions.insert(cx, addition);
}

#[handler("read", reply = "value")]
fn read(state: &State) -> i64 {
    state.additions.iter().map(|addition| addition.delta).sum()
}

#[handler("spread")]
fn hear(state: &mut State, cx: &Context, Body(news): Body<News<Addition>>) {
    state.additions.receive(cx, news);
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/pn_counter.rs"]
mod tests;
