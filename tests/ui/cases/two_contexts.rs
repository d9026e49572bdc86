#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("broadcast")]
fn broadcast(cx: &Context, message: u64, other: &Context) {}

#[handler("read")]
fn read(cx: &mut Context) {}

#[handler("topology")]
fn topology(cx: Context) {}

fn main() {}
