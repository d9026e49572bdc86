//! The broadcast node: challenges 3a to 3e of Gossip Glomers.

use glomer_runtime::prelude::*;
use glomer_spread::{News, Spread};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct State {
    messages: Spread<u64>,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) -> Result<(), Error> {
    state.messages.start_on_disk(cx)
}

#[handler("broadcast")]
fn broadcast(state: &mut State, cx: &Context, message: u64) {
    state.messages.insert(cx, message);
}

#[handler("read", reply = "messages")]
fn read(state: &State) -> Vec<u64> {
    state.messages.iter().copied().collect()
}

#[handler("topology")]
fn topology(_: &State, topology: BTreeMap<String, Vec<String>>) {}

#[handler("spread")]
fn hear(state: &mut State, cx: &Context, Body(news): Body<News<u64>>) {
    state.messages.receive(cx, news);
}

fn main() -> std::process::ExitCode {
    glomer_runtime::Stdio::new().disk_or_memory().run::<State>()
}

#[cfg(test)]
mod tests;
