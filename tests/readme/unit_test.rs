#[test]
fn passes_a_new_value_on_once() {
    let mut state = State::default();
    let cx = Context::mock("n1", ["n1", "n2", "n3"]);
    broadcast(&mut state, &cx, 7);
    broadcast(&mut state, &cx, 7);
    assert_eq!(cx.sent().len(), 2);
}
