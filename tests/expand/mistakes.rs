// The function and the message stay; nothing is registered.
#[handler("broadcast_ok")]
unsafe fn broadcast(#[serde(default)] message: &str, state: &mut State) -> u64 {
    0
}

// Nobody can tell the fields of this message.
#[handler("pair")]
fn pair((a, b): (u64, u64)) {}

#[every("soon")]
fn gossip(state: &mut State) {}
