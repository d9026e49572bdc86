#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
unsafe fn broadcast(#[allow(unused_variables)] message: &str, state: &mut State) -> u64 {
    0
}

#[derive(
    Clone,
    Debug,
    ::glomer_runtime::__private::serde::Serialize,
    ::glomer_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::glomer_runtime::__private::serde")]
struct Broadcast {
    #[serde(default)]
    message: String,
}

const _: () = {
    use ::glomer_runtime::__private;
    impl __private::Message for Broadcast {
        const TYPE: &'static str = "broadcast_ok";
        type Reply = u64;
    }
};

::core::compile_error! {
    "the runtime only calls safe functions: remove this word, and put what is unsafe into a block inside"
}

::core::compile_error! {
    "`broadcast_ok` is the answer to `broadcast`: return it from `#[handler(\"broadcast\")]`, and get it from `cx.rpc(…).await`"
}

::core::compile_error! {
    "the message is gone when the handler runs, so a field cannot borrow: take `String`"
}

::core::compile_error! {
    "the state comes first: move it to the front, or take a field of the message by value, `state: State`"
}

::core::compile_error! {
    "a reply is a map of fields, and `u64` is none: name the field for it, `#[handler(\"broadcast_ok\", reply = \"value\")]`"
}

fn pair((a, b): (u64, u64)) {}

::core::compile_error! {
    "a parameter is named like the field in the message: write that name, and take the value apart inside the function"
}

#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
fn gossip(state: &mut State) {}

::core::compile_error! {
    "`soon` is not a period: write a whole number and `us`, `ms` or `s`, such as `\"250ms\"` or `\"2s\"`"
}
