//! Bodies of every shape that serde knows: what is read, what is written, and
//! that an rpc reads what its handler writes. That all of it is as
//! `serde_json` has it is the matter of `json_agreement.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::sim::Cluster;
use glomer_runtime::{Node, prelude::*};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

#[derive(Default)]
struct State;

/// The body of the answer to a request, as written on the line.
fn answer(body: &str) -> String {
    let mut node = Node::<State>::new(1).unwrap();
    let line = |body: &str| format!(r#"{{"src":"c1","dest":"n1","body":{body}}}"#);
    let init = r#"{"type":"init","node_id":"n1","node_ids":["n1"]}"#;
    node.handle(Duration::ZERO, line(init).as_bytes());
    node.handle(Duration::ZERO, line(body).as_bytes());
    let output = node.take_output();
    let lines: Vec<_> = output.messages().map(|message| message.line).collect();
    let [line] = lines[..] else {
        panic!("{} answers", lines.len())
    };
    let line = str::from_utf8(line).unwrap();
    assert!(!line.contains('\n'), "{line}");
    let body = line.strip_prefix(r#"{"src":"n1","dest":"c1","body":"#);
    body.and_then(|body| body.strip_suffix('}'))
        .expect("a message")
        .to_owned()
}

fn value(body: &str) -> Value {
    serde_json::from_str(&answer(body)).unwrap()
}

fn text(body: &str) -> String {
    let answer = value(body);
    assert_eq!(answer["type"], "error", "{answer}");
    answer["text"].as_str().unwrap().to_owned()
}

/// `count` more fields for a body.
fn filler(count: usize) -> String {
    (0..count).map(|n| format!(r#","{n}":{n}"#)).collect()
}

// Whole bodies as maps.

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key(String);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Type,
    MsgId,
    #[serde(untagged)]
    Other(Option<Key>),
}

#[handler("keys")]
fn keys(_: &State, Body(keys): Body<BTreeMap<Key, Value>>) -> BTreeMap<Key, Value> {
    keys
}

#[handler("options")]
fn options(_: &State, Body(keys): Body<BTreeMap<Option<Key>, Value>>) -> BTreeMap<Key, Value> {
    let some = |(key, value)| Some((key?, value));
    keys.into_iter().filter_map(some).collect()
}

#[handler("words", reply = "count")]
fn words(_: &State, Body(keys): Body<BTreeMap<Word, Value>>) -> (usize, bool) {
    (keys.len(), keys.contains_key(&Word::Type))
}

#[test]
fn the_keys_of_a_map_are_of_any_type_however_many() {
    for count in [0, 1, 7, 8, 9, 40] {
        for kind in ["keys", "options"] {
            let answer = value(&format!(
                r#"{{"type":"{kind}","msg_id":1{}}}"#,
                filler(count)
            ));
            assert_eq!(answer["type"], format!("{kind}_ok"), "{answer}");
            assert_eq!(answer.as_object().unwrap().len(), count + 2);
        }
    }
    let answer = value(r#"{"type":"words","msg_id":1,"x":5}"#);
    assert_eq!(answer["count"], json!([3, true]));
}

#[handler("wide")]
fn wide(_: &State) -> BTreeMap<u128, i128> {
    BTreeMap::from([(u128::MAX, i128::MIN), (7, 7)])
}

#[test]
fn the_keys_of_a_reply_may_be_wider_than_json_numbers_are() {
    let mut cluster = Cluster::<State>::new(1).start();
    let expected = BTreeMap::from([(u128::MAX, i128::MIN), (7, 7)]);
    assert_eq!(cluster.call("n0", Wide {}), Ok(expected));
}

// Spelling and order.

#[handler("add", reply = "sum")]
fn add(_: &State, left: u64, right: Option<u64>) -> u64 {
    left + right.unwrap_or(0)
}

#[test]
fn names_may_have_escapes() {
    let escaped = r#"{"\u0074ype":"add","msg\u005fid":12,"l\u0065ft":1,"\u0072ight":2}"#;
    assert_eq!(
        answer(escaped),
        r#"{"type":"add_ok","in_reply_to":12,"sum":3}"#
    );
    assert_eq!(
        value(r#"{"t\u0079pe":"keys","msg_id":1,"a\"b":1,"\u00e9":2}"#),
        json!({"type": "keys_ok", "in_reply_to": 1, "a\"b": 1, "é": 2})
    );
}

#[test]
fn a_field_that_is_there_twice_is_as_serde_has_it() {
    let twice = r#"{"type":"add","msg_id":1,"left":1,"left":2}"#;
    assert_eq!(text(twice), "`add`: duplicate field `left`");
    let twice = r#"{"type":"keys","msg_id":1,"left":1,"left":2}"#;
    assert_eq!(value(twice)["left"], 2);
}

#[test]
fn a_field_that_nobody_reads_may_nest_as_it_likes() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let body = format!(r#"{{"type":"add","deep":{deep},"msg_id":1,"left":4}}"#);
    assert_eq!(value(&body)["sum"], 4);
    // One that is read nests as deep as `serde_json` goes.
    let nested = |levels| {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        value(&format!(r#"{{"type":"keys","msg_id":1,"deep":{deep}}}"#))
    };
    assert_eq!(nested(126)["type"], "keys_ok");
    assert_eq!(nested(5000)["code"], 12);
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lenient {
    #[serde(deserialize_with = "or_zero")]
    count: u64,
}

fn or_zero<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    Ok(u64::deserialize(input).unwrap_or(0))
}

#[handler("lenient", message = AskLenient, reply = "count")]
fn lenient(_: &State, Body(lenient): Body<Lenient>) -> u64 {
    lenient.count
}

#[test]
fn a_field_is_read_the_same_way_among_few_and_among_many() {
    for count in [0, 5, 6, 7, 8, 40] {
        let body = |what: &str| {
            let filler = filler(count);
            value(&format!(
                r#"{{"type":"lenient","count":{what},"msg_id":1{filler}}}"#
            ))
        };
        for what in [r#""many""#, "-1", "null"] {
            assert_eq!(body(what)["count"], 0, "{what}");
        }
        // Here `serde_json` has not read on to the end of the value.
        for what in ["[1,{}]", r#"{"a":[]}"#] {
            assert_eq!(body(what)["code"], 12, "{what}");
        }
    }
}

#[test]
fn an_array_is_no_message() {
    let mut node = Node::<State>::new(1).unwrap();
    for line in [
        r#"["c1","n1",{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}]"#,
        r#"{"src":"c1","dest":"n1","body":["init",1,"n1",["n1"]]}"#,
    ] {
        node.handle(Duration::ZERO, line.as_bytes());
        assert!(node.take_output().is_empty());
        assert_eq!(node.take_log().len(), 1);
    }
}

// What is wrong where.

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Filter {
    limits: Vec<(String, u8)>,
}

#[handler("find")]
fn find(_: &State, filter: Filter, txn: Option<Vec<(String, u64, Option<u64>)>>) {
    let _ = (filter, txn);
}

#[test]
fn the_field_at_fault_is_named_wherever_it_is() {
    let find = |filter: &str, txn: &str| {
        text(&format!(
            r#"{{"type":"find","msg_id":1,"filter":{filter},"txn":{txn}}}"#
        ))
    };
    assert_eq!(
        find(
            r#"{"limits":[]}"#,
            r#"[["r",1,null],["r",2,null],["r","3",null]]"#
        ),
        "`find`: field `txn[2][1]`: invalid type: string \"3\", expected u64"
    );
    assert_eq!(
        find(r#"{"limits":[["a",1],["b",256]]}"#, "null"),
        "`find`: field `filter.limits[1][1]`: invalid value: integer `256`, expected u8"
    );
    assert_eq!(
        find("{}", "null"),
        "`find`: field `filter`: missing field `limits`"
    );
}

// Types that say what they want.

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    left: u8,
    right: Option<u8>,
}

#[handler("strict", message = AskStrict)]
fn strict(_: &State, Body(strict): Body<Strict>) -> Strict {
    strict
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Query {
    Key(String),
    Range(u8, u8),
    Where { at: u8 },
    All,
}

#[handler("query", message = AskQuery)]
fn query(_: &State, Body(query): Body<Query>) -> Query {
    query
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    Tagged { at: u8 },
}

#[handler("tagged", message = AskTagged, reply = "at")]
fn tagged(_: &State, Body(Tagged::Tagged { at }): Body<Tagged>) -> u8 {
    at
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Headed {
    #[serde(rename = "type")]
    kind: String,
    msg_id: u64,
}

#[handler("headed", message = AskHeaded, reply = "seen")]
fn headed(_: &State, Body(headed): Body<Headed>) -> (String, u64) {
    (headed.kind, headed.msg_id)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done;

#[handler("unit")]
fn unit(_: &State, Body(done): Body<Done>) -> Done {
    done
}

type Maybe = Option<Strict>;

#[handler("maybe", message = AskMaybe)]
fn maybe(_: &State, Body(maybe): Body<Maybe>) -> Maybe {
    maybe
}

#[handler("raw")]
fn raw(_: &State, Body(raw): Body<Box<RawValue>>) -> Box<RawValue> {
    raw
}

#[test]
fn what_a_handler_takes_and_gives_goes_both_ways() {
    let mut cluster = Cluster::<State>::new(1).start();
    let strict = Strict {
        left: 1,
        right: None,
    };
    assert_eq!(
        cluster.call("n0", AskStrict(strict.clone())),
        Ok(strict.clone())
    );
    for query in [
        Query::Key("x".into()),
        Query::Range(1, 2),
        Query::Where { at: 3 },
    ] {
        assert_eq!(cluster.call("n0", AskQuery(query.clone())), Ok(query));
    }
    assert_eq!(
        cluster.call("n0", AskTagged(Tagged::Tagged { at: 7 })),
        Ok(7)
    );
    assert_eq!(cluster.call("n0", Unit(Done)), Ok(Done));
    assert_eq!(cluster.call("n0", AskMaybe(None::<Strict>)), Ok(None));
    assert_eq!(
        cluster.call("n0", AskMaybe(Some(strict.clone()))),
        Ok(Some(strict))
    );
}

#[test]
fn a_strict_type_is_shown_what_it_names_of_the_header() {
    let unknown = r#"{"type":"strict","msg_id":1,"left":1,"other":1}"#;
    assert_eq!(
        text(unknown),
        "`strict`: field `other`: unknown field `other`, expected `left` or `right`"
    );
    let seen = value(r#"{"type":"headed","msg_id":7,"in_reply_to":null}"#);
    assert_eq!(seen["seen"], json!(["headed", 7]));
    let two = r#"{"type":"query","msg_id":1,"Key":"x","All":null}"#;
    assert_eq!(
        text(two),
        "`query`: 2 fields, expected one, named like a variant of Query"
    );
    assert_eq!(
        text(r#"{"type":"query","msg_id":1,"All":null}"#)
            .split(": ")
            .nth(1),
        Some(
            "a body is made of fields, but this serializes as a string; use a struct or a map, or name a field for it with `reply = \"…\"`"
        )
    );
}

// Replies that are JSON already.

#[handler("pretty")]
fn pretty(_: &State) -> Box<RawValue> {
    let text = "{\n  \"type\": \"x\",\r\n  \"a\": [\n1 , 2.50\n],\"in_reply_to\" : 9 }";
    RawValue::from_string(text.into()).unwrap()
}

#[handler("nested", reply = "value")]
fn nested(_: &State) -> Vec<Box<RawValue>> {
    vec![RawValue::from_string("{\n\"a\":\n1e2}".into()).unwrap()]
}

#[handler("raw_number")]
fn raw_number(_: &State) -> Box<RawValue> {
    to_raw_value(&5).unwrap()
}

#[test]
fn raw_values_go_to_the_wire_as_they_are_on_one_line_without_a_second_header() {
    assert_eq!(
        answer(r#"{"type":"raw","msg_id":1,"a":1.50,"b":{ "type":1 }}"#),
        r#"{"type":"raw_ok","in_reply_to":1,"a":1.50,"b":{ "type":1 }}"#
    );
    assert_eq!(
        answer(r#"{"type":"pretty","msg_id":1}"#),
        r#"{"type":"pretty_ok","in_reply_to":1,"a":[ 1 , 2.50 ]}"#
    );
    assert_eq!(
        answer(r#"{"type":"nested","msg_id":1}"#),
        r#"{"type":"nested_ok","in_reply_to":1,"value":[{ "a": 1e2}]}"#
    );
    assert!(text(r#"{"type":"raw_number","msg_id":1}"#).contains("serializes as a number"));
    let mut cluster = Cluster::<State>::new(1).start();
    let raw = |value| to_raw_value(&value).unwrap();
    let reply = cluster.call("n0", Raw(raw(json!({"a": 1})))).unwrap();
    assert_eq!(reply.get(), r#"{"a":1}"#);
}

#[handler("number")]
fn number(_: &State) -> Result<serde_json::Number, Error> {
    Ok(5.into())
}

#[handler("numbers", reply = "numbers")]
fn numbers(_: &State, numbers: Vec<serde_json::Number>) -> Vec<serde_json::Number> {
    numbers
}

#[test]
fn numbers_of_serde_json_go_to_the_wire_as_numbers() {
    assert_eq!(
        answer(r#"{"type":"numbers","msg_id":1,"numbers":[1,-2,0.5]}"#),
        r#"{"type":"numbers_ok","in_reply_to":1,"numbers":[1,-2,0.5]}"#
    );
    assert!(text(r#"{"type":"number","msg_id":1}"#).contains("serializes as a number"));
}

// Fields of the header in what is sent.

#[handler("typed")]
fn typed(_: &State) -> Headed {
    Headed {
        kind: "mine".into(),
        msg_id: 4,
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Odd {
    MsgId(u8),
}

#[handler("odd", message = AskOdd)]
fn odd(_: &State) -> Odd {
    Odd::MsgId(3)
}

#[test]
fn a_reply_never_loses_a_field_without_a_word() {
    assert_eq!(
        text(r#"{"type":"typed","msg_id":1}"#),
        "the reply to `typed` cannot be sent: its field `type` would be lost, since a field of \
         this name is the runtime's to write; give it another name, such as with \
         `#[serde(rename = \"…\")]`"
    );
    assert!(text(r#"{"type":"odd","msg_id":1}"#).contains("its field `msg_id` would be lost"));
    // A body that is passed on whole leaves its old header behind.
    assert_eq!(
        answer(r#"{"type":"keys","msg_id":5,"a":1}"#),
        r#"{"type":"keys_ok","in_reply_to":5,"a":1}"#
    );
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    #[derive(Serialize)]
    struct Half {
        written: u8,
        refused: BTreeMap<(u8, u8), u8>,
    }
    impl Message for Half {
        const TYPE: &'static str = "half";
        type Reply = ();
    }
    let cx = Context::mock("n1", ["n1"]);
    let half = Half {
        written: 1,
        refused: BTreeMap::from([((1, 2), 3)]),
    };
    let sending = std::panic::AssertUnwindSafe(|| cx.send("n1", half));
    assert!(std::panic::catch_unwind(sending).is_err());
    assert!(cx.sent().is_empty());
}
