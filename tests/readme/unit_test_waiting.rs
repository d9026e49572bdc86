/// How many messages the node with the most has.
#[handler("most", reply = "count")]
async fn most(state: &Shared<State>, cx: &Context) -> Result<usize, Error> {
    let mut most = state.with(|state| state.messages.len());
    for peer in cx.peers() {
        most = most.max(cx.rpc(peer, Read {}).await?.len());
    }
    Ok(most)
}

#[test]
fn asks_every_peer() {
    let state = Shared::new(State::default());
    let cx = Context::mock("n1", ["n1", "n2", "n3"]);
    cx.answer("n2", |_: Read| Ok(BTreeSet::from([7, 8])));
    cx.answer("n3", |_: Read| Ok(BTreeSet::from([7])));
    assert_eq!(cx.run(most(&state, &cx)), Ok(2));
    cx.answer("n3", |_: Read| Err(Error::abort("not now")));
    assert_eq!(cx.run(most(&state, &cx)), Err(Error::abort("not now")));
}
