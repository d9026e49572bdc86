#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[handler("first")]
unsafe fn first() {}

#[handler("second")]
extern "C" fn second() {}

#[handler("third")]
unsafe extern "C" fn third(values: ...) {}

fn main() {}
