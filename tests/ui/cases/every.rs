#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[every]
fn none() {}

#[every("")]
fn empty() {}

#[every("250")]
fn no_unit() {}

#[every("ms")]
fn no_number() {}

#[every("1.5s")]
fn fraction() {}

#[every("2 minutes")]
fn minutes() {}

#[every("0ms")]
fn never() {}

#[every("18446744073710s")]
fn too_long() {}

#[every(250)]
fn number() {}

#[every("1s", "2s", jitter = "1ms")]
fn more() {}

#[every("1s")]
fn message(state: &mut u64, message: u64, name: &str, Body(body): Body<u64>) {}

#[every("1s")]
fn reply(state: &mut u64) -> u64 {
    *state
}

fn main() {}
