#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("add")]
#[handler("sub")]
fn add(state: &mut u64, by: u64) {}

#[handler("tick")]
#[every("1s")]
fn tick(state: &mut u64) {}

#[every("1s")]
#[glomer_runtime::every("2s")]
fn tock(state: &mut u64) {}

fn main() {}
