#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

// What a parameter is, its type tells, whatever it is called.
type Cx = Context;
type Lent<S> = Shared<S>;
type Whole = Body<u64>;
type Outcome<T> = Result<T, Error>;
type Text = Result<u64, String>;

#[handler("one")]
fn one(cx: &Cx) {}

#[every("1s")]
fn two(cx: &Cx) {}

#[handler("three")]
fn three(state: &State, cx: &Cx) {}

#[handler("four")]
fn four(state: &Lent<State>) {}

#[handler("five")]
async fn five(state: &Lent<State>) {}

#[handler("six")]
fn six(body: &Whole) {}

#[handler("seven")]
fn seven() -> Outcome<()> {
    Ok(())
}

// This one could be sent, as `{"Ok": 8}`.
#[handler("eight", reply = "value")]
fn eight() -> Text {
    Ok(8)
}

fn main() {}
