#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

#[handler("add")]
fn add(state: State, by: u64) {}

#[handler("sub")]
async fn sub(_state: State, by: u64) {}

#[every("1s")]
fn tick(state: State) {}

fn main() {}
