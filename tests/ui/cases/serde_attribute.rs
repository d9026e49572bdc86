#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("add")]
fn add(state: &mut u64, #[serde(defualt)] by: u64) {}

#[handler("sub")]
fn sub(state: &mut u64, #[serde(rename = "by", renam_all = "lowercase")] amount: u64) {}

fn main() {}
