/// Takes a value and passes it on.
#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
fn broadcast(state: &mut State, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

/// Takes a value and passes it on.
#[derive(Clone, Debug)]
struct Broadcast {
    message: u64,
}

const _: () = {
    use ::glomer_runtime::__private;
    impl __private::Message for Broadcast {
        const TYPE: &'static str = "broadcast";
        type Reply = ();
    }
    const HANDLER: &__private::Handler<State> = &__private::Handler {
        message: "broadcast",
        name: "broadcast",
        location: __private::Location::here(),
        run: |call| {
            call
                .reply::<Broadcast, ()>()
                .sync(|state, cx, message| broadcast(state, cx, message.message))
        },
    };
    impl __private::Serialize for Broadcast {
        fn serialize<Serializer: __private::Serializer>(
            &self,
            output: Serializer,
        ) -> __private::Result<Serializer::Ok, Serializer::Error> {
            __private::Fields(&["message"]).write::<u64, _>(output, &self.message)
        }
    }
    impl<'de> __private::Deserialize<'de> for Broadcast {
        fn deserialize<Deserializer: __private::Deserializer<'de>>(
            input: Deserializer,
        ) -> __private::Result<Self, Deserializer::Error> {
            __private::Fields(&["message"])
                .read::<u64, _>(input)
                .map(|(message,)| Broadcast { message })
        }
    }
    __private::submit!(
        __private::Registration::handler(HANDLER).check(__private::as_state!(State))
    );
};
