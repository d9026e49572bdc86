use std::collections::{BTreeSet, HashMap};

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    messages: BTreeSet<u64>,
}

#[handler("read")]
fn read(state: &State) -> BTreeSet<u64> {
    state.messages.clone()
}

#[handler("generate")]
fn generate(cx: &Context) -> Result<String, Error> {
    Ok(cx.node_id().to_owned())
}

#[handler("pair")]
fn pair() -> (u64, u64) {
    (1, 2)
}

#[handler("maybe")]
fn maybe() -> Option<HashMap<String, u64>> {
    None
}

fn main() {}
