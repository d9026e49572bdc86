use glomer_runtime::prelude::*;

#[handler("read_ok")]
fn read_ok(value: u64) {}

#[handler("error")]
fn failed(code: u32, text: String) {}

fn main() {}
