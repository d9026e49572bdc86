use glomer_runtime::prelude::*;

#[handler("one", replay = "value")]
fn one() {}

#[handler("two", reply = "a", reply = "b")]
fn two() -> u64 {
    2
}

#[handler("three", message = Three, message = Four)]
fn three() {}

#[handler("four", reply = value, message = "Four")]
fn four() {}

#[handler("five", reply =, message =)]
fn five() {}

#[handler("six" reply = "value")]
fn six() {}

#[handler("seven", reply = "", reply = "msg_id")]
fn seven() -> u64 {
    7
}

#[handler("eight", reply = "msg_id")]
fn eight() -> u64 {
    8
}

fn main() {}
