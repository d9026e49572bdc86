#![allow(unused_variables)]

use glomer_runtime::prelude::*;

struct Broken;

#[handler("one")]
fn one(cx: &Context) -> Result<(), Broken> {
    Err(Broken)
}

#[handler("two", reply = "value")]
async fn two(cx: &Context) -> Result<u64, String> {
    Err(String::new())
}

type Fallible<T> = std::result::Result<T, Broken>;
mod other {
    pub type Result<T> = super::Fallible<T>;
}

#[handler("three")]
fn three() -> other::Result<()> {
    Err(Broken)
}

fn main() {}
