#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("one", crate = "glomer")]
fn one() {}

#[handler("two", crate =)]
fn two() {}

#[every("1s", crate = 5)]
fn three() {}

fn main() {}
