use glomer_runtime::prelude::*;
use serde::Serialize;

#[derive(Default)]
struct State {
    names: Vec<String>,
}

#[handler("one", reply = "names")]
fn one(state: &State) -> &[String] {
    &state.names
}

#[handler("two", reply = "names")]
fn two(state: &State) -> Result<&Vec<String>, Error> {
    Ok(&state.names)
}

#[handler("three")]
fn three() -> impl Serialize {}

#[handler("four")]
fn four() -> ! {
    panic!()
}

#[handler("five", reply = "value")]
fn five() {}

#[handler("six", reply = "value")]
fn six() -> Result<(), Error> {
    Ok(())
}

fn main() {}
