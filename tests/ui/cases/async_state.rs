#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    sum: u64,
}

#[handler("add")]
async fn add(state: &mut State, delta: u64) {
    state.sum += delta;
}

#[handler("read", reply = "value")]
async fn read(state: &State) -> u64 {
    state.sum
}

#[handler("reset")]
fn reset(state: &Shared<State>) {
    state.with(|state| state.sum = 0);
}

#[every("1s")]
async fn gossip(state: &mut Shared<State>, cx: &Context) {}

#[every("1s")]
async fn tidy(state: Shared<State>) {}

#[handler("borrow")]
fn borrow(state: &std::cell::Ref<'_, State>) {}

fn main() {}
