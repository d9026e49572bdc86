use glomer_runtime::prelude::*;

#[handler("broadcast")]
fn broadcast(cx: &Context, message: u64, hops: u32) {
    cx.send("n1", Broadcast { message });
    cx.send("n1", Broadcast { mesage: 1, hops });
    cx.send("n1", Broadcast { message: "one", hops });
}

fn main() {}
