#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("one")]
fn one(#[cfg(unix)] message: u64) {}

#[handler("two")]
fn two(#[serde(default)] cx: &Context, #[serde(default)] Body(body): Body<u64>) {}

fn main() {}
