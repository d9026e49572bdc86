//! A node is given lines, one after the other. Whatever they say, it lives on,
//! what it sends is one JSON object a line, and a request is answered once.

#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::{Node, prelude::*};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Default)]
struct State;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: Option<u128>,
    b: Option<(String, f64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Choice {
    A(Value),
    B { k: i64 },
}

#[handler("echo", reply = "echo")]
fn echo(_: &State, echo: Value) -> Value {
    echo
}

#[handler("map")]
fn map(_: &State, Body(map): Body<BTreeMap<String, Value>>) -> BTreeMap<String, Value> {
    map
}

#[handler("strict", message = AskStrict)]
fn strict(_: &State, Body(strict): Body<Strict>) -> Strict {
    strict
}

#[handler("choice", message = AskChoice)]
fn choice(_: &State, Body(choice): Body<Choice>) -> Choice {
    choice
}

#[handler("raw")]
fn raw(_: &State, Body(raw): Body<Box<RawValue>>) -> Box<RawValue> {
    raw
}

#[handler("wait")]
async fn wait(_: &Shared<State>, cx: &Context, peer: String) -> Result<(), Error> {
    cx.rpc(peer, Echo { echo: Value::Null }).await.map(drop)
}

fuzz_target!(|data: &[u8]| {
    let mut node = Node::<State>::new(0).expect("the handlers are right");
    let init =
        br#"{"src":"c0","dest":"n1","body":{"type":"init","node_id":"n1","node_ids":["n1"]}}"#;
    node.handle(Duration::ZERO, init);
    for (second, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let now = Duration::from_millis(second as u64);
        node.tick(now);
        drop(node.take_output());
        node.handle(now, line);
        let asked: Option<Value> = serde_json::from_slice(line).ok();
        let msg_id = asked.as_ref().map(|line| &line["body"]["msg_id"]);
        let msg_id = msg_id.filter(|id| !id.is_null());
        let output = node.take_output();
        let mut answers = 0;
        for message in output.messages() {
            assert!(!message.line.contains(&b'\n'));
            let sent: Value = serde_json::from_slice(message.line).expect("JSON is sent");
            assert_eq!(sent["src"], "n1");
            assert_eq!(sent["dest"], message.dest);
            assert_eq!(sent["body"]["type"], message.kind);
            answers += u32::from(msg_id.is_some_and(|id| sent["body"]["in_reply_to"] == *id));
        }
        assert!(answers <= 1, "answered {answers} times");
    }
    node.finish(Duration::from_secs(1));
});
