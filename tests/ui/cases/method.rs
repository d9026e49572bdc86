#![allow(unused_variables)]

use glomer_runtime::prelude::*;

struct State;

impl State {
    #[handler("broadcast")]
    fn broadcast(&mut self, message: u64) {}

    #[every("1s")]
    fn gossip(self: &State, cx: &Context) {}
}

fn main() {}
