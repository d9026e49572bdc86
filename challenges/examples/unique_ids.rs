//! Challenge 2, unique ids: every `generate` is answered with an id that no node
//! has given out before.
//!
//! Workbench: cargo glomer test -w unique-ids --example unique_ids --node-count 3 --time-limit 30 --rate 1000 --availability total --nemesis partition
//! Maelstrom: maelstrom test -w unique-ids --bin target/release/examples/unique_ids --node-count 3 --time-limit 30 --rate 1000 --availability total --nemesis partition
//!
//! Nodes need not talk: an id is the node's name, which no other node has, the
//! random number of this run of it, which no earlier run has had, and a count.
//! So the node is available whatever the network does, and a restart, which
//! forgets the count, hands out nothing twice.

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    run: u64,
    count: u64,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.run = cx.rng().next_u64();
}

#[handler("generate", reply = "id")]
fn generate(state: &mut State, cx: &Context) -> String {
    state.count += 1;
    format!("{}-{:016x}-{}", cx.node_id(), state.run, state.count)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
#[path = "../tests/challenges/unique_ids.rs"]
mod tests;
