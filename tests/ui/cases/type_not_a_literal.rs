use glomer_runtime::prelude::*;

const TYPE: &str = "broadcast";

#[handler(TYPE)]
fn broadcast(message: u64) {}

#[handler(concat!("re", "ad"))]
fn read() {}

#[handler(5)]
fn five() {}

#[handler("six", "seven")]
fn six() {}

fn main() {}
