#![allow(unused_variables)]

use glomer_runtime::prelude::*;
use serde_json::Value;

#[handler("one")]
fn one(Body(body): Body<Value>, extra: u64) {}

#[handler("two")]
fn two(extra: u64, Body(body): Body<Value>) {}

#[handler("three")]
fn three(Body(first): Body<Value>, Body(second): Body<Value>) {}

fn main() {}
