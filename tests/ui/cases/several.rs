#![allow(unused_variables)]

use glomer_runtime::prelude::*;

// All mistakes of one handler come together.
#[handler("broadcast_ok", replay = "value")]
unsafe fn broadcast(cx: Context, state: &mut u64, name: &str) -> u64 {
    0
}

// The function stays, and so does its message.
fn main() {
    let cx = Context::mock("n1", ["n1"]);
    cx.send("n1", Broadcast { name: String::new() });
    let _ = unsafe { broadcast(Context::clone(&cx), &mut 0, "name") };
}
