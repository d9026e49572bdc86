/// Takes a value and passes it on.
#[handler("broadcast")]
fn broadcast(state: &mut State, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}
