#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("one")]
fn one((a, b): (u64, u64)) {}

#[handler("two")]
fn two(_: u64) {}

#[handler("three")]
fn three(_message: u64) {}

#[handler("four")]
fn four(ref message: u64) {}

fn main() {}
