/// Reads a page of values.
#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
pub fn read(
    state: &State,
    limit: Option<usize>,
    from: u64,
) -> Result<Vec<u64>, ReadError> {
    state.page(from, limit)
}

/// Reads a page of values.
#[derive(
    Clone,
    Debug,
    ::glomer_runtime::__private::serde::Serialize,
    ::glomer_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::glomer_runtime::__private::serde")]
pub struct Read {
    /// How many values there are at most.
    #[serde(default)]
    pub limit: Option<usize>,
    /// The field `from`.
    pub from: u64,
}

const _: () = {
    use ::glomer_runtime::__private;
    impl __private::Message for Read {
        const TYPE: &'static str = "read";
        const REPLY_FIELD: __private::Option<&'static str> = __private::Some("values");
        type Reply = Vec<u64>;
    }
    const HANDLER: &__private::Handler<State> = &__private::Handler {
        message: "read",
        name: "read",
        location: __private::Location::here(),
        run: |call| {
            call
                .result::<Read, Vec<u64>, ReadError>()
                .sync(|state, _, message| read(state, message.limit, message.from))
        },
    };
    __private::submit!(
        __private::Registration::handler(HANDLER).check(__private::as_state!(State))
    );
};

#[cfg(feature = "search")]
#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
pub(crate) async fn search(
    state: &Shared<State>,
    cx: &Context,
    Body(query): Body<Query>,
) -> io::Result<Found> {
    query.run(state, cx).await
}

#[cfg(feature = "search")]
#[derive(Clone, Debug)]
pub(crate) struct Lookup<Body = Query>(pub(crate) Body);

#[cfg(feature = "search")]
const _: () = {
    use ::glomer_runtime::__private;
    impl<Body> __private::Message for Lookup<Body> {
        const TYPE: &'static str = "search";
        type Reply = <io::Result<Found> as __private::Outcome>::Reply;
    }
    const HANDLER: &__private::Handler<State> = &__private::Handler {
        message: "search",
        name: "search",
        location: __private::Location::here(),
        run: |call| {
            call
                .result::<
                    Lookup<Query>,
                    <io::Result<Found> as __private::Outcome>::Reply,
                    <io::Result<Found> as __private::Outcome>::Error,
                >()
                .wait(|state, cx, message| async move {
                    search(&state, &cx, __private::Body(message.0)).await
                })
        },
    };
    impl<Body: __private::Serialize> __private::Serialize for Lookup<Body> {
        fn serialize<Serializer: __private::Serializer>(
            &self,
            output: Serializer,
        ) -> __private::Result<Serializer::Ok, Serializer::Error> {
            self.0.serialize(output)
        }
    }
    impl<'de, Body: __private::ReadBody<'de>> __private::Deserialize<'de>
    for Lookup<Body> {
        fn deserialize<Deserializer: __private::Deserializer<'de>>(
            input: Deserializer,
        ) -> __private::Result<Self, Deserializer::Error> {
            Body::deserialize(input).map(Lookup)
        }
    }
    __private::submit!(
        __private::Registration::handler(HANDLER).check(__private::as_state!(State))
    );
};

#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
fn topology(
    _: &State,
    #[allow(unused_variables)]
    topology: BTreeMap<String, Vec<String>>,
) {}

#[derive(Clone, Debug)]
struct Topology {
    topology: BTreeMap<String, Vec<String>>,
}

const _: () = {
    use ::glomer_runtime::__private;
    impl __private::Message for Topology {
        const TYPE: &'static str = "topology";
        type Reply = ();
    }
    const HANDLER: &__private::Handler<State> = &__private::Handler {
        message: "topology",
        name: "topology",
        location: __private::Location::here(),
        run: |call| {
            call
                .reply::<Topology, ()>()
                .sync(|state, _, message| topology(state, message.topology))
        },
    };
    impl __private::Serialize for Topology {
        fn serialize<Serializer: __private::Serializer>(
            &self,
            output: Serializer,
        ) -> __private::Result<Serializer::Ok, Serializer::Error> {
            __private::Fields(&["topology"])
                .write::<BTreeMap<String, Vec<String>>, _>(output, &self.topology)
        }
    }
    impl<'de> __private::Deserialize<'de> for Topology {
        fn deserialize<Deserializer: __private::Deserializer<'de>>(
            input: Deserializer,
        ) -> __private::Result<Self, Deserializer::Error> {
            __private::Fields(&["topology"])
                .read::<BTreeMap<String, Vec<String>>, _>(input)
                .map(|(topology,)| Topology { topology })
        }
    }
    __private::submit!(
        __private::Registration::handler(HANDLER).check(__private::as_state!(State))
    );
};

#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
async fn gossip(state: &Shared<State>, cx: &Context) {
    state.with(|state| state.spread(cx));
}

const _: () = {
    use ::glomer_runtime::__private;
    const EVERY: &__private::Every<State> = &__private::Every {
        name: "gossip",
        location: __private::Location::here(),
        period: __private::Duration::from_micros(1500),
        run: |call| call.wait(|state, cx| async move { gossip(&state, &cx).await }),
    };
    __private::submit!(
        __private::Registration::every(EVERY).check(__private::as_state!(State))
    );
};

#[allow(clippy::needless_pass_by_value, clippy::ptr_arg, clippy::too_many_arguments)]
fn tidy(state: &mut State) {
    state.tidy();
}

const _: () = {
    use ::glomer_runtime::__private;
    const EVERY: &__private::Every<State> = &__private::Every {
        name: "tidy",
        location: __private::Location::here(),
        period: __private::Duration::from_secs(2),
        run: |call| call.sync(|state, _| tidy(state)),
    };
    __private::submit!(
        __private::Registration::every(EVERY).check(__private::as_state!(State))
    );
};
