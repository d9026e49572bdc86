#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;
#[derive(Default)]
struct Other;

#[handler("broadcast")]
fn broadcast(state: &mut State, other: &mut Other, message: u64) {}

#[every("1s")]
fn gossip(state: &State, other: &Other) {}

fn main() {}
