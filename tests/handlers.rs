//! The rules of a handler, seen from outside: functions go in, lines come out.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use glomer_runtime::{Node, prelude::*};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A node that has seen `init`.
struct Running<S: 'static>(Node<S>);

impl<S: Default> Running<S> {
    fn start() -> Self {
        let mut running = Running(Node::new(0).expect("the handlers are distinct"));
        let init = json!({"type": "init", "node_id": "n1", "node_ids": ["n1", "n2"], "msg_id": 1});
        assert_eq!(running.ask(init)["type"], "init_ok");
        running
    }

    /// The bodies that go out when this body comes in.
    fn feed(&mut self, body: Value) -> Vec<Value> {
        let line = json!({"src": "c1", "dest": "n1", "body": body}).to_string();
        self.0.handle(Duration::ZERO, line.as_bytes());
        self.output()
    }

    /// The bodies that go out until this time.
    fn wait_until(&mut self, now: Duration) -> Vec<Value> {
        self.0.tick(now);
        self.output()
    }

    fn output(&mut self) -> Vec<Value> {
        let output = self.0.take_output();
        let bodies = output.messages().map(|message| {
            let line = serde_json::from_slice::<Value>(message.line);
            line.expect("the node writes JSON")["body"].take()
        });
        bodies.collect()
    }

    /// The one answer to a request.
    fn ask(&mut self, body: Value) -> Value {
        let mut answers = self.feed(body);
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        answers.remove(0)
    }

    /// The fields of the answer to a message of this type.
    fn call(&mut self, kind: &str, mut body: Value) -> Value {
        body["type"] = kind.into();
        body["msg_id"] = 7.into();
        let mut answer = self.ask(body);
        assert_eq!(answer["type"], format!("{kind}_ok"), "{answer}");
        assert_eq!(answer["in_reply_to"], 7);
        let fields = answer.as_object_mut().expect("a body is an object");
        fields.remove("type");
        fields.remove("in_reply_to");
        answer
    }

    /// The code and the text of the error that answers a message of this type.
    fn fail(&mut self, kind: &str, mut body: Value) -> (u64, String) {
        body["type"] = kind.into();
        body["msg_id"] = 7.into();
        let answer = self.ask(body);
        assert_eq!(answer["type"], "error", "{answer}");
        (
            answer["code"].as_u64().expect("a code"),
            answer["text"].as_str().expect("a text").to_owned(),
        )
    }
}

mod context {
    use super::*;

    #[derive(Default)]
    struct State;

    #[handler("put")]
    fn put(_: &State, value: u64) {}

    // What one choice depends on may be drawn, too, while the choice is held.
    #[handler("gossip")]
    fn gossip(_: &State, cx: &Context) {
        let mut peers: Vec<&str> = cx.peers().collect();
        let rng = cx.rng();
        rng.shuffle(&mut peers);
        if let Some(peer) = cx.rng().choose(&peers) {
            cx.send(
                peer,
                Put {
                    value: rng.below(1) + cx.rng().below(1),
                },
            );
        }
    }

    #[handler("id", reply = "id")]
    fn id(_: &State, cx: &Context) -> Option<u64> {
        cx.msg_id()
    }

    #[handler("id_later", reply = "id")]
    async fn id_later(_: &Shared<State>, cx: &Context) -> Option<u64> {
        cx.sleep(Duration::from_millis(1)).await;
        cx.msg_id()
    }

    #[test]
    fn draws_while_it_draws() {
        let mut node = Running::<State>::start();
        let sent = node.feed(json!({"type": "gossip"}));
        assert_eq!(sent, [json!({"type": "put", "value": 0})]);
    }

    #[test]
    fn knows_the_id_of_the_message_being_handled() {
        let mut node = Running::<State>::start();
        assert_eq!(node.call("id", json!({})), json!({"id": 7}));
        assert_eq!(
            node.feed(json!({"type": "id_later", "msg_id": 9})),
            [] as [Value; 0]
        );
        // Another message comes while the first one waits.
        let answer = node.ask(json!({"type": "id", "msg_id": 18_446_744_073_709_551_615_u64}));
        assert_eq!(answer["id"], 18_446_744_073_709_551_615_u64);
        let answers = node.wait_until(Duration::from_millis(1));
        assert_eq!(answers[0]["id"], 9);
    }
}

/// What a message serializes as, through the runtime.
fn sent<M: Message + Serialize>(message: M) -> Value {
    let cx = Context::mock("n1", ["n1", "n2"]);
    cx.send("n2", message);
    cx.sent().remove(0).body
}

mod parameters {
    use super::*;

    #[derive(Default)]
    struct State {
        list: Vec<String>,
    }

    #[handler("none")]
    fn none() {}

    #[handler("push")]
    fn push(state: &mut State, text: String) {
        state.list.push(text);
    }

    #[handler("len", reply = "len")]
    fn len(state: &State) -> usize {
        state.list.len()
    }

    #[handler("everything", reply = "text")]
    fn everything<'a>(
        state: &'a State,
        first: String,
        cx: &'a Context,
        mut second: Vec<u64>,
        r#fn: Option<bool>,
    ) -> String {
        second.push(state.list.len() as u64);
        format!(
            "{} {} {first} {second:?} {:?}",
            cx.node_id(),
            cx.sender(),
            r#fn
        )
    }

    #[handler("serde", reply = "text")]
    fn serde_attributes(
        _: &State,
        /// Documentation goes to the field.
        #[serde(default = "ten")]
        limit: u64,
        #[serde(rename = "from-node", skip_serializing_if = "Option::is_none")] from: Option<
            String,
        >,
        #[serde(with = "hex")] hash: u64,
    ) -> String {
        format!("{limit} {from:?} {hash}")
    }

    fn ten() -> u64 {
        10
    }

    mod hex {
        use serde::{Deserialize, Deserializer, Serializer};

        pub(super) fn serialize<O: Serializer>(hash: &u64, output: O) -> Result<O::Ok, O::Error> {
            output.serialize_str(&format!("{hash:x}"))
        }

        pub(super) fn deserialize<'de, I: Deserializer<'de>>(input: I) -> Result<u64, I::Error> {
            let text = String::deserialize(input)?;
            u64::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
        }
    }

    #[handler("many", reply = "sum")]
    fn many(
        _: &State,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
    ) -> u8 {
        [a, b, c, d, e, f, g, h, i, j, k, l, m].into_iter().sum()
    }

    // Names that the expansion might use itself.
    #[handler("names", reply = "sum")]
    fn names(
        it: &State,
        state: u8,
        cx: u8,
        call: u8,
        message: u8,
        input: u8,
        output: u8,
        names: u8,
    ) -> usize {
        usize::from(state + cx + call + message + input + output + names) + it.list.len()
    }

    #[handler("unused")]
    fn unused(_: &State, unused: u64) {}

    #[test]
    fn are_fields_by_name() {
        let mut node = Running::<State>::start();
        assert_eq!(
            node.call("push", json!({"text": "a", "more": 1})),
            json!({})
        );
        assert_eq!(node.call("len", json!({})), json!({"len": 1}));
        let answer = node.call("everything", json!({"second": [5], "first": "x"}));
        assert_eq!(answer, json!({"text": "n1 c1 x [5, 1] None"}));
        let body = json!({"second": [], "first": "x", "fn": true});
        let answer = node.call("everything", body);
        assert_eq!(answer, json!({"text": "n1 c1 x [1] Some(true)"}));
        assert_eq!(node.call("unused", json!({"unused": 5})), json!({}));
    }

    #[test]
    fn take_serdes_attributes() {
        let mut node = Running::<State>::start();
        let answer = node.call("serde", json!({"hash": "ff"}));
        assert_eq!(answer, json!({"text": "10 None 255"}));
        let body = json!({"hash": "0", "limit": 1, "from-node": "n2"});
        let answer = node.call("serde", body);
        assert_eq!(answer, json!({"text": "1 Some(\"n2\") 0"}));
        let message = SerdeAttributes {
            limit: 3,
            from: None,
            hash: 255,
        };
        assert_eq!(
            sent(message),
            json!({"type": "serde", "limit": 3, "hash": "ff"})
        );
    }

    #[test]
    fn can_be_many() {
        let fields = "abcdefghijklm"
            .chars()
            .map(|name| (name.to_string(), json!(1)));
        let body = Value::Object(fields.collect());
        let answer = Running::<State>::start().call("many", body);
        assert_eq!(answer, json!({"sum": 13}));
    }

    #[test]
    fn can_have_any_name() {
        let body = json!({
            "state": 1, "cx": 2, "call": 4, "message": 8, "input": 16, "output": 32, "names": 64,
        });
        let answer = Running::<State>::start().call("names", body);
        assert_eq!(answer, json!({"sum": 127}));
    }

    #[test]
    fn are_named_when_they_are_wrong() {
        let mut node = Running::<State>::start();
        let (code, text) = node.fail("push", json!({}));
        assert_eq!((code, text.as_str()), (12, "`push`: missing field `text`"));
        let (code, text) = node.fail("push", json!({"text": 5}));
        assert_eq!(code, 12);
        assert_eq!(
            text,
            "`push`: field `text`: invalid type: integer `5`, expected a string"
        );
        let (code, text) = node.fail("serde", json!({"hash": "x"}));
        assert_eq!(code, 12);
        assert!(text.starts_with("`serde`: field `hash`: "), "{text}");
    }

    #[test]
    fn without_a_state_belong_to_the_node_without_state() {
        assert_eq!(Running::<()>::start().call("none", json!({})), json!({}));
        let (code, text) = Running::<State>::start().fail("none", json!({}));
        assert_eq!(code, 10);
        assert!(text.contains("`none`"), "{text}");
    }
}

mod replies {
    use super::*;

    #[derive(Default)]
    struct State;

    #[derive(Serialize, Deserialize)]
    struct Found {
        key: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<u64>,
    }

    #[handler("unit")]
    #[allow(clippy::unused_unit)]
    fn unit(_: &State) -> () {}

    #[handler("struct")]
    fn structure(_: &State, key: u64) -> Found {
        Found { key, value: None }
    }

    #[handler("map")]
    fn map(_: &State, key: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("key".to_owned(), key)])
    }

    #[handler("boxed")]
    fn boxed(_: &State) -> Box<Found> {
        Box::new(Found {
            key: 1,
            value: Some(2),
        })
    }

    #[handler("maybe", reply = "found")]
    fn maybe(_: &State) -> Option<Found> {
        None
    }

    #[handler("half", reply = "half")]
    fn half(_: &State, of: u64) -> Result<u64, Error> {
        if of % 2 == 1 {
            return Err(Error::precondition_failed("odd"));
        }
        Ok(of / 2)
    }

    /// An error of the user's own.
    struct OutOfStock;

    impl From<OutOfStock> for Error {
        fn from(_: OutOfStock) -> Error {
            Error::custom(1234, "out of stock")
        }
    }

    #[handler("own")]
    fn own(_: &State) -> Result<(), OutOfStock> {
        Err(OutOfStock)
    }

    #[handler("alias", reply = "kind")]
    fn alias(_: &State, fail: bool) -> io::Result<String> {
        if fail {
            Err(io::Error::other("disk on fire"))
        } else {
            Ok("fine".to_owned())
        }
    }

    #[test]
    fn are_what_is_returned() {
        let mut node = Running::<State>::start();
        assert_eq!(node.call("unit", json!({})), json!({}));
        assert_eq!(node.call("struct", json!({"key": 5})), json!({"key": 5}));
        assert_eq!(node.call("map", json!({"key": 5})), json!({"key": 5}));
        assert_eq!(node.call("boxed", json!({})), json!({"key": 1, "value": 2}));
        assert_eq!(node.call("maybe", json!({})), json!({"found": null}));
        assert_eq!(node.call("half", json!({"of": 8})), json!({"half": 4}));
        assert_eq!(
            node.call("alias", json!({"fail": false})),
            json!({"kind": "fine"})
        );
    }

    #[test]
    fn are_errors_with_their_code() {
        let mut node = Running::<State>::start();
        assert_eq!(node.fail("half", json!({"of": 7})), (22, "odd".into()));
        assert_eq!(node.fail("own", json!({})), (1234, "out of stock".into()));
        let (code, text) = node.fail("alias", json!({"fail": true}));
        assert_eq!((code, text.as_str()), (13, "disk on fire"));
    }

    #[test]
    fn are_left_out_when_nobody_asked() {
        let mut node = Running::<State>::start();
        assert_eq!(
            node.feed(json!({"type": "map", "key": 5})),
            [] as [Value; 0]
        );
    }

    #[test]
    fn are_known_to_the_message() {
        fn reply_of<M: Message<Reply = R>, R>() -> Option<&'static str> {
            M::REPLY_FIELD
        }
        assert_eq!(reply_of::<Structure, Found>(), None);
        assert_eq!(reply_of::<Half, u64>(), Some("half"));
        assert_eq!(reply_of::<Alias, String>(), Some("kind"));
        assert_eq!(reply_of::<Own, ()>(), None);
    }
}

mod messages {
    use super::*;

    #[derive(Default)]
    pub(super) struct State {
        heard: Vec<String>,
    }

    // The message of another module, sent by the path that its function has.
    mod gossip {
        use super::*;

        /// Tells a rumor.
        #[handler("tell", message = Rumor)]
        pub(super) fn tell(state: &mut State, cx: &Context, text: String, hops: u32) {
            if hops > 0 {
                let hops = hops - 1;
                cx.send(
                    "n2",
                    Rumor {
                        text: text.clone(),
                        hops,
                    },
                );
            }
            state.heard.push(text);
        }
    }

    #[handler("start")]
    fn start(_: &State, cx: &Context) {
        let text = "psst".to_owned();
        cx.send(cx.node_id(), gossip::Rumor { text, hops: 3 });
    }

    /// One that only reads.
    #[derive(Deserialize)]
    struct Query {
        text: String,
    }

    #[handler("search", reply = "len")]
    fn search(_: &State, Body(query): Body<Query>) -> usize {
        query.text.len()
    }

    #[handler("anything")]
    fn anything(_: &State, mut body: Body<Value>) -> Value {
        body.0["seen"] = true.into();
        body.0
    }

    #[handler("lookup_by_key")]
    fn lookup_by_key(_: &State, r#type_name: Option<String>, r#match: Option<u64>) {}

    // `r#` is how Rust spells it, not a part of any name.
    #[handler("struct")]
    fn r#struct(_: &State) {}

    #[test]
    fn are_structs_named_after_their_function() {
        let message = LookupByKey {
            type_name: None,
            r#match: Some(5),
        };
        assert_eq!(
            format!("{:?}", message.clone()),
            "LookupByKey { type_name: None, match: Some(5) }"
        );
        let body = json!({"type": "lookup_by_key", "type_name": null, "match": 5});
        assert_eq!(sent(message), body);
        assert_eq!(sent(Struct {}), json!({"type": "struct"}));
        assert_eq!(<Struct as Message>::TYPE, "struct");
    }

    #[test]
    fn are_sent_and_arrive() {
        let mut node = Running::<State>::start();
        let rumor = node.feed(json!({"type": "start"})).remove(0);
        assert_eq!(rumor, json!({"type": "tell", "text": "psst", "hops": 3}));
        let next = node.feed(rumor).remove(0);
        assert_eq!(next, json!({"type": "tell", "text": "psst", "hops": 2}));
        assert_eq!(node.call("tell", json!({"text": "", "hops": 0})), json!({}));
    }

    #[test]
    fn are_read_back_from_what_was_sent() {
        let cx = Context::mock("n1", ["n1", "n2"]);
        let mut state = State::default();
        gossip::tell(&mut state, &cx, "psst".into(), 1);
        assert_eq!(state.heard, ["psst"]);
        let rumor: gossip::Rumor = cx.sent()[0].decode().expect("a rumor");
        assert_eq!((rumor.text.as_str(), rumor.hops), ("psst", 0));
    }

    #[test]
    fn can_be_a_whole_body() {
        let mut node = Running::<State>::start();
        assert_eq!(
            node.call("search", json!({"text": "abc"})),
            json!({"len": 3})
        );
        let (code, text) = node.fail("search", json!({"text": []}));
        assert_eq!(code, 12);
        assert!(text.contains("field `text`"), "{text}");
        let answer = node.call("anything", json!({"a": [1]}));
        assert_eq!(answer, json!({"a": [1], "seen": true}));
    }

    #[test]
    fn can_be_sent_as_a_whole_body() {
        let message = Anything(json!({"a": 1}));
        assert_eq!(
            format!("{:?}", message.clone()),
            "Anything(Object {\"a\": Number(1)})"
        );
        assert_eq!(sent(message), json!({"type": "anything", "a": 1}));
        // Any type may stand in for the one that the handler reads.
        let message = Search(BTreeMap::from([("text", "abc")]));
        assert_eq!(sent(message), json!({"type": "search", "text": "abc"}));
    }
}

mod times {
    use super::*;

    #[derive(Default)]
    struct State {
        order: Vec<String>,
    }

    #[handler("init")]
    fn init(state: &mut State, cx: &Context, node_ids: Vec<String>) {
        state
            .order
            .push(format!("init {} of {}", cx.node_id(), node_ids.len()));
    }

    #[handler("order", reply = "order")]
    fn order(state: &State) -> Vec<String> {
        state.order.clone()
    }

    #[handler("slow")]
    async fn slow(state: &Shared<State>, cx: &Context, text: String) -> Result<(), Error> {
        state.with(|state| state.order.push(format!("{text}?")));
        cx.sleep(Duration::from_millis(5)).await;
        state.with(|state| state.order.push(format!("{text}!")));
        if text.is_empty() {
            Err(Error::abort("empty"))
        } else {
            Ok(())
        }
    }

    // Neither the state nor the context is needed to wait.
    #[handler("ready", reply = "value")]
    async fn ready(_: &Shared<State>, value: u64) -> u64 {
        std::future::ready(value).await
    }

    #[every("10ms")]
    fn every_ten(state: &mut State, cx: &Context) {
        state.order.push(format!("10 at {:?}", cx.now()));
    }

    #[every("15000us")]
    fn every_fifteen(state: &mut State) {
        state.order.push("15".to_owned());
    }

    #[every("1s")]
    async fn every_second(state: &Shared<State>, cx: &Context) {
        cx.sleep(Duration::from_secs(1)).await;
        state.with(|state| state.order = vec!["2 s".to_owned()]);
    }

    #[test]
    fn init_runs_before_its_answer_and_every_after_its_period() {
        let mut node = Running::<State>::start();
        assert_eq!(
            node.call("order", json!({})),
            json!({"order": ["init n1 of 2"]})
        );
        assert_eq!(node.0.deadline(), Some(Duration::from_millis(10)));
        node.wait_until(Duration::from_millis(10));
        assert_eq!(node.0.deadline(), Some(Duration::from_millis(15)));
        node.wait_until(Duration::from_millis(15));
        let expected = json!({"order": ["init n1 of 2", "10 at 10ms", "15"]});
        assert_eq!(node.call("order", json!({})), expected);
    }

    #[test]
    fn async_functions_wait_while_others_run() {
        let mut node = Running::<State>::start();
        let slow = |id, text| json!({"type": "slow", "msg_id": id, "text": text});
        assert_eq!(node.feed(slow(2, "a")), [] as [Value; 0]);
        assert_eq!(node.feed(slow(3, "")), [] as [Value; 0]);
        assert_eq!(node.call("ready", json!({"value": 5})), json!({"value": 5}));
        let mut answers = node.wait_until(Duration::from_millis(5));
        answers.sort_by_key(|answer| answer["in_reply_to"].as_u64());
        assert_eq!(answers[0], json!({"type": "slow_ok", "in_reply_to": 2}));
        assert_eq!(answers[1]["code"], 14);
        let expected = json!({"order": ["init n1 of 2", "a?", "?", "a!", "!"]});
        assert_eq!(node.call("order", json!({})), expected);
    }

    #[test]
    fn async_periods_wait_too() {
        let mut node = Running::<State>::start();
        for now in [1, 2] {
            node.wait_until(Duration::from_secs(now));
        }
        assert_eq!(node.call("order", json!({})), json!({"order": ["2 s"]}));
    }
}

mod places {
    use super::*;

    /// Two kinds of nodes with the same messages, in one binary.
    mod counter {
        use super::*;

        #[derive(Default)]
        pub(super) struct Counter(pub(super) u64);

        #[handler("add", reply = "sum")]
        pub(super) fn add(counter: &mut Counter, delta: u64) -> u64 {
            counter.0 += delta;
            counter.0
        }
    }

    #[derive(Default)]
    struct Words(String);

    #[handler("add", reply = "text")]
    fn add(words: &mut Words, word: String) -> String {
        words.0 += &word;
        words.0.clone()
    }

    #[test]
    fn nodes_have_the_handlers_of_their_state() {
        let mut counter = Running::<counter::Counter>::start();
        let mut words = Running::<Words>::start();
        assert_eq!(counter.call("add", json!({"delta": 2})), json!({"sum": 2}));
        assert_eq!(counter.call("add", json!({"delta": 3})), json!({"sum": 5}));
        assert_eq!(
            words.call("add", json!({"word": "a"})),
            json!({"text": "a"})
        );
    }

    #[test]
    fn handlers_are_plain_functions() {
        assert_eq!(counter::add(&mut counter::Counter(4), 5), 9);
        assert_eq!(add(&mut Words("a".into()), "b".into()), "ab");
    }

    #[test]
    fn handlers_can_stand_in_a_function() {
        #[derive(Default)]
        struct State(u64);

        #[handler("local", reply = "value")]
        fn local(state: &mut State, by: u64) -> u64 {
            state.0 += by;
            state.0
        }

        #[every("1s")]
        fn tick(state: &mut State) {
            state.0 = 100;
        }

        let mut node = Running::<State>::start();
        assert_eq!(node.call("local", json!({"by": 2})), json!({"value": 2}));
        node.wait_until(Duration::from_secs(1));
        assert_eq!(node.call("local", json!({"by": 2})), json!({"value": 102}));
        assert_eq!(sent(Local { by: 3 }), json!({"type": "local", "by": 3}));
    }

    mod conditional {
        use super::*;

        #[derive(Default)]
        pub(super) struct State;

        #[handler("there")]
        #[cfg(test)]
        fn there(_: &State) {}

        #[handler("not_there")]
        #[cfg(not(test))]
        fn not_there(_: &State, missing: NoSuchType) {}

        #[cfg(not(test))]
        #[handler("nor_there")]
        fn nor_there(_: &State, missing: NoSuchType) {}

        #[every("1s")]
        #[cfg(not(test))]
        fn nor_then(_: &State, cx: &Context) -> NoSuchType {}
    }

    /// What the compiler and clippy would say of such functions if they were not handlers.
    mod lints {
        #![deny(deprecated, clippy::needless_pass_by_value, clippy::ptr_arg)]
        use super::*;

        #[deprecated]
        #[handler("sorted", reply = "sorted")]
        pub(super) fn sorted(words: &mut Vec<String>, prefix: String) -> Vec<String> {
            let mut sorted = words.clone();
            sorted.retain(|word| word.starts_with(&prefix));
            sorted.sort();
            sorted
        }

        #[every("1s")]
        #[deprecated(note = "gone soon")]
        fn tidy(words: &mut Vec<String>) {
            words.dedup();
        }
    }

    #[test]
    fn lints_do_not_complain_of_what_a_handler_has_to_be() {
        let mut node = Running::<Vec<String>>::start();
        let answer = node.call("sorted", json!({"prefix": "a"}));
        assert_eq!(answer, json!({"sorted": []}));
    }

    /// The runtime under another name, as a renamed dependency or a facade has it.
    mod facade {
        pub(super) use glomer_runtime as framework;
    }

    mod renamed {
        use super::*;

        #[derive(Default)]
        pub(super) struct State(u64);

        #[handler("add", reply = "sum", crate = facade::framework)]
        fn add(sum: &mut State, #[serde(default)] by: u64) -> u64 {
            sum.0 += by;
            sum.0
        }

        #[handler("sum", crate = super::facade::framework)]
        fn sum(sum: &State) -> BTreeMap<String, u64> {
            BTreeMap::from([("sum".to_owned(), sum.0)])
        }

        #[every("1s", crate = facade::framework)]
        fn double(sum: &mut State) {
            sum.0 *= 2;
        }
    }

    #[test]
    fn the_runtime_can_have_another_name() {
        let mut node = Running::<renamed::State>::start();
        assert_eq!(node.call("add", json!({"by": 5})), json!({"sum": 5}));
        assert_eq!(node.call("add", json!({})), json!({"sum": 5}));
        node.wait_until(Duration::from_secs(1));
        assert_eq!(node.call("sum", json!({})), json!({"sum": 10}));
    }

    /// A hook beside the type that its message would be named like.
    mod hook {
        use super::*;
        use glomer_runtime::Init;

        #[derive(Default)]
        pub(super) struct State(Vec<String>);

        #[handler("init")]
        fn init(state: &mut State, Body(init): Body<Init>) {
            state.0 = init.node_ids;
        }

        #[handler("names", reply = "names")]
        fn names(state: &State) -> Vec<String> {
            state.0.clone()
        }
    }

    #[test]
    fn init_has_no_message_of_its_own() {
        let mut node = Running::<hook::State>::start();
        let expected = json!({"names": ["n1", "n2"]});
        assert_eq!(node.call("names", json!({})), expected);
    }

    #[test]
    fn conditions_hold_for_all_that_is_generated() {
        let mut node = Running::<conditional::State>::start();
        assert_eq!(node.call("there", json!({})), json!({}));
        assert_eq!(node.fail("not_there", json!({})).0, 10);
        assert_eq!(node.fail("nor_there", json!({})).0, 10);
        assert_eq!(node.0.deadline(), None);
    }

    /// What a user's names hide from the expansion.
    mod shadows {
        #![allow(dead_code)]
        use super::{Deserialize, handler};

        type Result<T> = std::result::Result<T, glomer_runtime::Error>;
        pub(super) struct Option;
        pub(super) struct Message;
        pub(super) struct Some;
        pub(super) struct Duration;
        mod serde {}
        mod glomer {}
        mod core {}

        #[derive(Default)]
        pub(super) struct Handler;

        #[derive(Clone, Debug, super::Serialize, Deserialize)]
        struct In(u64);

        #[handler("shadow", reply = "value")]
        fn shadow(_: &Handler, value: In) -> Result<u64> {
            Ok(value.0)
        }
    }

    #[test]
    fn names_of_the_user_do_not_get_in_the_way() {
        let mut node = Running::<shadows::Handler>::start();
        assert_eq!(
            node.call("shadow", json!({"value": 5})),
            json!({"value": 5})
        );
    }

    #[derive(Default)]
    struct Generated;

    macro_rules! getters {
        ($($name:ident: $ty:ty = $value:expr;)*) => {
            $(
                #[handler("get", reply = "value")]
                fn $name(_: &Generated, default: Option<$ty>, items: Vec<$ty>) -> $ty {
                    let count = items.len() as $ty;
                    default.unwrap_or($value) + count
                }
            )*
        };
    }

    getters! {
        get: u64 = 5;
    }

    #[test]
    fn macros_can_write_handlers() {
        let mut node = Running::<Generated>::start();
        assert_eq!(node.call("get", json!({"items": [1]})), json!({"value": 6}));
        let message = Get {
            default: Some(1),
            items: vec![],
        };
        assert_eq!(
            sent(message),
            json!({"type": "get", "default": 1, "items": []})
        );
    }
}

/// Messages are read and written as serde's derives would.
mod serde_twins {
    use super::*;

    #[handler("twin")]
    fn twin(first: u64, second: Option<String>, third: Vec<(bool, f64)>) {}

    #[derive(Debug, Serialize, Deserialize)]
    struct Derived {
        first: u64,
        second: Option<String>,
        third: Vec<(bool, f64)>,
    }

    #[handler("empty")]
    fn empty() {}

    #[derive(Debug, Serialize, Deserialize)]
    struct DerivedEmpty {}

    /// The same verdict, and the same message or the same complaint.
    fn compare<M: DeserializeOwned + Serialize, D: DeserializeOwned + Serialize>(text: &str) {
        let ours = serde_json::from_str::<M>(text);
        let theirs = serde_json::from_str::<D>(text);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(
                serde_json::to_string(&ours).unwrap(),
                serde_json::to_string(&theirs).unwrap(),
                "{text}"
            ),
            (Err(ours), Err(theirs)) => {
                // What was expected instead of the whole object is put in other words.
                let cause = |error: serde_json::Error| {
                    let text = error.to_string();
                    let end = text.find(", expected").unwrap_or(text.len());
                    text[..end].to_owned()
                };
                assert_eq!(cause(ours), cause(theirs), "{text}");
            }
            (ours, theirs) => panic!("{text}: {} and {}", ours.is_ok(), theirs.is_ok()),
        }
    }

    #[test]
    fn agree_on_every_body() {
        let fields = [
            r#""first":1"#,
            r#""first":-1"#,
            r#""first":1.5"#,
            r#""first":null"#,
            r#""f\u0069rst":18446744073709551615"#,
            r#""second":null"#,
            r#""second":"a\n""#,
            r#""second":2"#,
            r#""third":[]"#,
            r#""third":[[true,1],[false,2.5]]"#,
            r#""third":[[true]]"#,
            r#""type":"twin""#,
            r#""more":{"first":[1,{}]}"#,
            r#""FIRST":2"#,
            r#""":3"#,
        ];
        let mut compared = 0;
        for first in fields {
            for second in fields {
                for third in fields {
                    for text in [
                        format!("{{{first},{second},{third}}}"),
                        format!("{{{first}, {second}}}"),
                        format!("{{{first},{second},{third}"),
                    ] {
                        compare::<Twin, Derived>(&text);
                        compare::<Empty, DerivedEmpty>(&text);
                        compared += 1;
                    }
                }
            }
        }
        for text in ["{}", "null", "5", "\"text\"", "true", "{\"first\"}", ""] {
            compare::<Twin, Derived>(text);
            compare::<Empty, DerivedEmpty>(text);
        }
        assert_eq!(compared, 3 * 15 * 15 * 15);
    }

    #[test]
    fn agree_on_values_already_parsed() {
        let value = json!({"first": 1, "third": [[true, 0.5]], "more": 1});
        let ours: Twin = serde_json::from_value(value).expect("a twin");
        assert_eq!(ours.third, [(true, 0.5)]);
        assert_eq!(ours.second, None);
        let error = serde_json::from_value::<Twin>(json!([1])).expect_err("no object");
        assert_eq!(
            error.to_string(),
            "invalid type: sequence, expected an object with the fields `first`, `second`, `third`"
        );
    }
}
