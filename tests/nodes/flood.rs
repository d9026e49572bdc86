//! A node that passes each value on once.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::prelude::*;

#[derive(Default)]
pub(crate) struct Flood {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(node: &mut Flood, cx: &Context, message: u64) {
    if node.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(node: &Flood) -> BTreeSet<u64> {
    node.messages.clone()
}

#[handler("topology")]
fn topology(_: &Flood, topology: BTreeMap<String, Vec<String>>) {}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<Flood>()
}
