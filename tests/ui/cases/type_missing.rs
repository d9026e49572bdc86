use glomer_runtime::prelude::*;

#[handler]
fn broadcast(message: u64) {}

#[handler(reply = "value")]
fn read() -> u64 {
    0
}

// A message keeps its struct, so that the mistake above is the only one.
fn send(cx: &Context) {
    cx.send("n1", Broadcast { message: 1 });
    cx.send("n1", Read {});
}

fn main() {}
