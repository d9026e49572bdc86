use std::collections::{BTreeMap, BTreeSet};
use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(state: &mut State, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(state: &State) -> BTreeSet<u64> {
    state.messages.clone()
}

#[handler("topology")]
fn topology(_: &State, topology: BTreeMap<String, Vec<String>>) {}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}
