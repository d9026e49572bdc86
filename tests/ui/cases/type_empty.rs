use glomer_runtime::prelude::*;

#[handler("")]
fn broadcast(message: u64) {}

fn main() {}
