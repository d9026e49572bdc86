//! A grow-only set: every element that was added anywhere gets everywhere.
//!
//! Workbench: cargo glomer test -w g-set --example g_set --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//! Maelstrom: maelstrom test -w g-set --bin target/release/examples/g_set --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//!
//! A grow-only set is just what `Spread` is: a node takes an element at once,
//! whatever the network does, and the others hear of it.

use glomer_runtime::prelude::*;
use glomer_spread::{News, Spread};

#[derive(Default)]
struct State {
    elements: Spread<i64>,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.elements.start(cx);
}

#[handler("add")]
fn add(state: &mut State, cx: &Context, element: i64) {
    state.elements.insert(cx, element);
}

#[handler("read", reply = "value")]
fn read(state: &State) -> Vec<i64> {
    state.elements.iter().copied().collect()
}

#[handler("spread")]
fn hear(state: &mut State, cx: &Context, Body(news): Body<News<i64>>) {
    state.elements.receive(cx, news);
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/g_set.rs"]
mod tests;
