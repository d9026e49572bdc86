#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

#[handler("broadcast")]
fn broadcast(message: u64, state: &mut State) {}

#[handler("read")]
fn read(cx: &Context, _: &State) {}

#[every("1s")]
fn gossip(cx: &Context, state: &State) {}

fn main() {}
