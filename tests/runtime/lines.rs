//! What the runtime does with each line: one test for each row of the table
//! in the crate's documentation, through `Node` as a driver sees it.

use std::cell::Cell;
use std::time::Duration;

use glomer_runtime::log::Level;
use glomer_runtime::{Node, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    total: u64,
}

#[handler("add", reply = "total")]
fn add(state: &mut State, amount: u64) -> u64 {
    state.total += amount;
    state.total
}

#[handler("note")]
fn note(state: &mut State, #[serde(default)] text: String) {
    state.total += text.len() as u64;
}

#[handler("take", reply = "total")]
fn take(state: &mut State, amount: u64) -> Result<u64, Error> {
    state.total = state
        .total
        .checked_sub(amount)
        .ok_or_else(|| Error::precondition_failed(format!("only {} left", state.total)))?;
    Ok(state.total)
}

#[handler("custom")]
fn custom(_: &State) -> Result<(), Error> {
    Err(Error::custom(1001, "closed"))
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sides {
    left: u8,
    right: Option<String>,
}

#[handler("pair")]
fn pair(_: &State, Body(pair): Body<Sides>) -> Sides {
    pair
}

#[handler("explode")]
fn explode(state: &mut State) {
    state.total = 99;
    panic!("boom at {}", state.total);
}

#[handler("ask", reply = "total")]
async fn ask(state: &Shared<State>, cx: &Context, peer: String) -> Result<u64, Error> {
    let theirs = cx.rpc(peer, Add { amount: 0 }).await?;
    Ok(theirs + state.with(|state| state.total))
}

#[handler("explode_later")]
async fn explode_later(_: &Shared<State>, cx: &Context) {
    cx.sleep(Duration::from_millis(5)).await;
    panic!("late boom");
}

/// A node that was told its name, with its output so far thrown away.
struct Probe {
    node: Node<State>,
    now: Duration,
}

impl Probe {
    fn new() -> Self {
        let mut node = Node::new(1).unwrap();
        node.set_log_level(Level::Debug);
        let mut probe = Self {
            node,
            now: Duration::ZERO,
        };
        let init = json!({"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1", "n2"]});
        assert_eq!(
            probe.request(init),
            [json!({"src": "n1", "dest": "c1", "body": {"type": "init_ok", "in_reply_to": 1}})]
        );
        probe.log();
        probe
    }

    fn line(&mut self, line: &[u8]) -> Vec<Value> {
        self.node.handle(self.now, line);
        self.output()
    }

    fn output(&mut self) -> Vec<Value> {
        let output = self.node.take_output();
        let lines = output.messages().map(|message| {
            let line: Value = serde_json::from_slice(message.line).unwrap();
            assert_eq!(message.dest, line["dest"]);
            assert_eq!(message.kind, line["body"]["type"]);
            line
        });
        lines.collect()
    }

    fn message(&mut self, src: &str, body: Value) -> Vec<Value> {
        let message = json!({"id": 3, "src": src, "dest": "n1", "body": body});
        self.line(message.to_string().as_bytes())
    }

    fn request(&mut self, body: Value) -> Vec<Value> {
        self.message("c1", body)
    }

    /// The body of the one answer to a request.
    fn answer(&mut self, body: Value) -> Value {
        let mut answers = self.request(body);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0]["body"].take()
    }

    fn pass(&mut self, time: Duration) -> Vec<Value> {
        self.now += time;
        self.node.tick(self.now);
        self.output()
    }

    fn log(&mut self) -> Vec<String> {
        self.node
            .take_log()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

#[test]
fn a_request_is_answered_once() {
    let mut probe = Probe::new();
    assert_eq!(
        probe.request(json!({"type": "add", "amount": 5, "msg_id": 12})),
        [json!({
            "src": "n1", "dest": "c1",
            "body": {"type": "add_ok", "in_reply_to": 12, "total": 5},
        })]
    );
    assert_eq!(
        probe.answer(json!({"msg_id": 13, "type": "note", "unknown": {"deep": [1]}})),
        json!({"type": "note_ok", "in_reply_to": 13})
    );
    assert_eq!(
        probe.answer(json!({"type": "pair", "msg_id": 0, "left": 1, "right": null})),
        json!({"type": "pair_ok", "in_reply_to": 0, "left": 1, "right": null})
    );
}

#[test]
fn names_and_numbers_come_back_as_they_were() {
    let mut probe = Probe::new();
    let line = br#"{"src":"c\"\u00e9\\","dest":"n1","body":{"msg_id":123456789012345678901234567890,"\u0074ype":"add","amount":1}}"#;
    probe.node.handle(Duration::ZERO, line);
    let output = probe.node.take_output();
    let answer = output.messages().next().unwrap();
    assert_eq!(answer.dest, "c\"é\\");
    let output = String::from_utf8(answer.line.to_vec()).unwrap();
    assert!(output.contains(r#""dest":"c\"é\\""#), "{output}");
    assert!(
        output.contains(r#""in_reply_to":123456789012345678901234567890,"#),
        "{output}"
    );
}

#[test]
fn a_message_without_msg_id_gets_no_answer() {
    let mut probe = Probe::new();
    assert_eq!(
        probe.request(json!({"type": "add", "amount": 2})),
        [] as [Value; 0]
    );
    assert_eq!(
        probe.request(json!({"type": "take", "amount": 9})),
        [] as [Value; 0]
    );
    assert!(probe.log()[0].contains("only 2 left"));
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 0, "msg_id": 1}))["total"],
        2
    );
}

#[test]
fn errors_are_answered_with_their_code() {
    let mut probe = Probe::new();
    assert_eq!(
        probe.answer(json!({"type": "take", "amount": 1, "msg_id": 4})),
        json!({"type": "error", "in_reply_to": 4, "code": 22, "text": "only 0 left"})
    );
    assert_eq!(
        probe.answer(json!({"type": "custom", "msg_id": 5}))["code"],
        1001
    );
}

#[test]
fn a_reply_completes_its_rpc() {
    let mut probe = Probe::new();
    let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["dest"], "n2");
    let id = sent[0]["body"]["msg_id"].clone();
    assert_eq!(
        probe.message(
            "n2",
            json!({"type": "add_ok", "in_reply_to": id, "total": 40})
        ),
        [json!({
            "src": "n1", "dest": "c1",
            "body": {"type": "ask_ok", "in_reply_to": 7, "total": 40},
        })]
    );
    // The same answer again is late.
    let again = json!({"type": "add_ok", "in_reply_to": id, "total": 41});
    assert_eq!(probe.message("n2", again), [] as [Value; 0]);
}

#[test]
fn an_error_reply_becomes_an_error() {
    let mut probe = Probe::new();
    let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
    let id = sent[0]["body"]["msg_id"].clone();
    let error = json!({"type": "error", "in_reply_to": id, "code": 11, "text": "not yet"});
    let answers = probe.message("n2", error);
    assert_eq!(
        answers[0]["body"],
        json!({"type": "error", "in_reply_to": 7, "code": 11, "text": "not yet"})
    );
}

#[test]
fn a_wrong_answer_is_an_indefinite_error() {
    let mut probe = Probe::new();
    for (reply, told) in [
        (
            json!({"total": "many"}),
            "field `total`: invalid type: string \"many\", expected u64",
        ),
        (json!({}), "missing field `total`"),
    ] {
        let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
        let mut reply = reply;
        reply["type"] = json!("add_ok");
        reply["in_reply_to"] = sent[0]["body"]["msg_id"].clone();
        let answers = probe.message("n2", reply);
        assert_eq!(answers[0]["body"]["code"], 13);
        let text = answers[0]["body"]["text"].as_str().unwrap();
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn an_rpc_without_answer_times_out() {
    let mut probe = Probe::new();
    let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
    let id = sent[0]["body"]["msg_id"].clone();
    assert_eq!(probe.node.deadline(), Some(Duration::from_secs(1)));
    assert_eq!(probe.pass(Duration::from_millis(999)), [] as [Value; 0]);
    let answers = probe.pass(Duration::from_millis(1));
    assert_eq!(
        answers[0]["body"],
        json!({"type": "error", "in_reply_to": 7, "code": 0, "text": "no answer from n2"})
    );
    assert_eq!(probe.node.deadline(), None);
    let late = json!({"type": "add_ok", "in_reply_to": id, "total": 40});
    assert_eq!(probe.message("n2", late), [] as [Value; 0]);
}

#[test]
fn an_answer_from_somebody_else_is_not_taken() {
    let mut probe = Probe::new();
    let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
    let id = sent[0]["body"]["msg_id"].clone();
    let answer = json!({"type": "add_ok", "in_reply_to": id, "total": 40});
    assert_eq!(probe.message("n3", answer.clone()), [] as [Value; 0]);
    assert_eq!(probe.message("n2", answer).len(), 1);
}

#[test]
fn other_replies_are_ignored_at_debug_level() {
    let mut probe = Probe::new();
    for body in [
        json!({"type": "broadcast_ok", "in_reply_to": 0}),
        json!({"type": "broadcast_ok"}),
        json!({"type": "broadcast_ok", "msg_id": 3}),
        json!({"type": "error", "code": 13, "text": "x"}),
        json!({"type": "add", "amount": 1, "in_reply_to": -4}),
        json!({"in_reply_to": 99}),
    ] {
        assert_eq!(
            probe.message("n2", body.clone()),
            [] as [Value; 0],
            "{body}"
        );
        let log = probe.log();
        assert_eq!(log.len(), 1);
        assert!(log[0].starts_with("glomer debug: ignored"), "{}", log[0]);
    }
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 0, "msg_id": 1}))["total"],
        0
    );
}

#[test]
fn an_unknown_type_is_not_supported() {
    let mut probe = Probe::new();
    let answer = probe.answer(json!({"type": "ad", "amount": 1, "msg_id": 4}));
    assert_eq!(answer["code"], 10);
    let text = answer["text"].as_str().unwrap();
    assert!(
        text.starts_with("no handler for `ad`; this node handles add, ask,"),
        "{text}"
    );

    probe.log();
    assert_eq!(probe.request(json!({"type": "ad"})), [] as [Value; 0]);
    assert!(probe.log()[0].starts_with("glomer warn:"));
}

#[test]
fn a_wrong_body_names_the_field_and_what_was_expected() {
    let mut probe = Probe::new();
    for (body, told) in [
        (json!({"type": "add"}), "`add`: missing field `amount`"),
        (
            json!({"type": "add", "amount": "five"}),
            "`add`: field `amount`: invalid type: string \"five\", expected u64",
        ),
        (
            json!({"type": "add", "amount": -1}),
            "`add`: field `amount`: invalid value: integer `-1`, expected u64",
        ),
        (
            json!({"type": "note", "text": ["a"]}),
            "`note`: field `text`: invalid type: sequence, expected a string",
        ),
        (
            json!({"type": "pair", "left": 256}),
            "`pair`: field `left`: invalid value: integer `256`, expected u8",
        ),
        (json!({"amount": 1}), "the body has no `type`"),
    ] {
        let mut body = body;
        body["msg_id"] = json!(6);
        let answer = probe.answer(body);
        assert_eq!(answer["code"], 12);
        assert_eq!(answer["text"], told);
        assert_eq!(answer["in_reply_to"], 6);
    }
}

#[test]
fn who_asks_before_init_is_answered_by_whom_it_asked() {
    let mut node = Node::<State>::new(1).unwrap();
    let line = br#"{"src":"n2","dest":"n1","body":{"type":"add","amount":1,"msg_id":4}}"#;
    node.handle(Duration::ZERO, line);
    let output = node.take_output();
    let answer = output.messages().next().unwrap().line;
    let answer = str::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with(r#"{"src":"n1","dest":"n2","#),
        "{answer}"
    );
}

#[test]
fn before_init_nothing_is_available() {
    let mut probe = Probe {
        node: Node::new(1).unwrap(),
        now: Duration::ZERO,
    };
    let answer = probe.answer(json!({"type": "add", "amount": 1, "msg_id": 4}));
    assert_eq!(answer["code"], 11);
    assert!(answer["text"].as_str().unwrap().contains("before `init`"));
    // A malformed init leaves the node waiting for a right one.
    let answer = probe.answer(json!({"type": "init", "node_id": 5, "msg_id": 1}));
    assert_eq!(answer["code"], 12);
    let init = json!({"type": "init", "msg_id": 2, "node_id": "n1", "node_ids": ["n1"]});
    assert_eq!(probe.answer(init)["type"], "init_ok");
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 1, "msg_id": 5}))["total"],
        1
    );
}

#[test]
fn init_may_come_twice_but_not_with_another_name() {
    let mut probe = Probe::new();
    probe.answer(json!({"type": "add", "amount": 3, "msg_id": 1}));
    let init = |id| json!({"type": "init", "msg_id": 9, "node_id": id, "node_ids": ["n1", "n2"]});
    assert_eq!(probe.answer(init("n1"))["type"], "init_ok");
    assert_eq!(probe.answer(init("n2"))["code"], 22);
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 0, "msg_id": 1}))["total"],
        3
    );
}

#[test]
fn a_panic_is_an_answer_and_the_node_lives_on() {
    let mut probe = Probe::new();
    let answer = probe.answer(json!({"type": "explode", "msg_id": 3}));
    assert_eq!(answer["code"], 13);
    let text = answer["text"].as_str().unwrap();
    assert!(
        text.contains("`explode` at ") && text.contains("lines.rs:"),
        "{text}"
    );
    let log = probe.log();
    let report = log
        .iter()
        .find(|line| line.starts_with("glomer error:"))
        .unwrap();
    assert!(
        report.contains("`explode` at ") && report.contains("boom at 99"),
        "{report}"
    );
    assert!(
        report.matches("lines.rs:").count() >= 2,
        "handler and place of panic: {report}"
    );
    // What it did before stays.
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 1, "msg_id": 4}))["total"],
        100
    );
}

#[test]
fn a_panic_after_a_wait_is_an_answer_too() {
    let mut probe = Probe::new();
    assert_eq!(
        probe.request(json!({"type": "explode_later", "msg_id": 3})),
        [] as [Value; 0]
    );
    let answers = probe.pass(Duration::from_millis(5));
    assert_eq!(answers[0]["body"]["code"], 13);
    assert!(probe.log().iter().any(|line| line.contains("late boom")));
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 1, "msg_id": 4}))["total"],
        1
    );
}

#[test]
fn a_line_that_is_no_message_is_told_and_passed_over() {
    let mut probe = Probe::new();
    let long = format!("[{}", "1,".repeat(10_000));
    for (line, told) in [
        (
            &b"hello"[..],
            "line 2 ignored: not JSON at column 1: expected value: hello",
        ),
        (
            b"[1,2]",
            "line 3 ignored: invalid type: sequence, expected a message, which is an object",
        ),
        (
            b"{\"src\":\"c1\",\"dest\":\"n1\"}",
            "line 4 ignored: missing field `body`",
        ),
        (
            b"{\"body\":{\"type\":\"add\"}}",
            "line 5 ignored: missing field `src`",
        ),
        (
            b"{\"src\":\"c1\",\"body\":[]}",
            "line 6 ignored: invalid type: sequence, expected a body, which is an object",
        ),
        (
            b"{\"src\":\"\xff\",\"body\":{}}",
            "line 7 ignored: not UTF-8 at column 9",
        ),
        (
            b"{\"src\":\"c1\",\"body\":{\"type\":7}}",
            "line 8 ignored: `type` is not a string",
        ),
        (
            b"{\"src\":\"c1\",\"body\":{\"type\":\"add\",\"msg_id\":\"x\"}}",
            "line 9 ignored: `msg_id` is not an integer",
        ),
        (
            b"{\"src\":\"c1\",\"body\":{\"type\":\"add\"}",
            "line 10 ignored: not JSON at column 33: EOF while parsing an object",
        ),
        (
            long.as_bytes(),
            "line 11 ignored: invalid type: sequence, expected a message",
        ),
    ] {
        assert_eq!(probe.line(line), [] as [Value; 0]);
        let log = probe.log();
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(
            log[0].starts_with(&format!("glomer warn: {told}")),
            "{}",
            log[0]
        );
        assert!(log[0].len() < 400, "the excerpt must be bounded");
        assert!(!log[0].contains('\n'));
    }
    assert_eq!(probe.line(b""), [] as [Value; 0]);
    assert_eq!(probe.line(b" \r"), [] as [Value; 0]);
    assert!(
        probe.log().is_empty(),
        "an empty line is nothing to talk about"
    );
    assert_eq!(
        probe.answer(json!({"type": "add", "amount": 1, "msg_id": 4}))["total"],
        1
    );
}

#[test]
fn the_end_of_input_answers_whoever_still_waits() {
    let mut probe = Probe::new();
    let sent = probe.request(json!({"type": "ask", "peer": "n2", "msg_id": 7}));
    probe.request(json!({"type": "ask", "peer": "n3", "msg_id": 8}));
    probe.request(json!({"type": "explode_later", "msg_id": 9}));
    let id = sent[0]["body"]["msg_id"].clone();
    let answers = probe.message(
        "n2",
        json!({"type": "add_ok", "in_reply_to": id, "total": 40}),
    );
    assert_eq!(answers[0]["body"]["total"], 40);
    probe.node.finish(probe.now);
    let mut answers = probe.output();
    answers.sort_by_key(|answer| answer["body"]["in_reply_to"].as_u64());
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| {
            (
                answer["body"]["in_reply_to"].clone(),
                answer["body"]["code"].clone(),
            )
        })
        .collect();
    assert_eq!(codes, [(json!(8), json!(0)), (json!(9), json!(0))]);
}

// A node of another state: periodic functions and the init hook.

thread_local! {
    static HOOKED: Cell<Option<Duration>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Clock {
    fast: u32,
    slow: u32,
}

#[handler("init")]
fn on_init(_: &mut Clock, cx: &Context) {
    HOOKED.set(Some(cx.now()));
    cx.send(
        "n2",
        Hello {
            from: cx.node_id().into(),
        },
    );
}

#[handler("hello")]
fn hello(_: &Clock, from: String) {}

#[handler("beats", reply = "beats")]
fn beats(state: &Clock) -> (u32, u32) {
    (state.fast, state.slow)
}

#[every("20ms")]
fn fast(state: &mut Clock) {
    state.fast += 1;
}

#[every("1s")]
fn slow(state: &mut Clock, cx: &Context) {
    state.slow += 1;
    assert_eq!(cx.sender(), cx.node_id());
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_init_hook_runs_before_init_ok_and_periodic_functions_after_a_period() {
    let mut node = Node::<Clock>::new(0).unwrap();
    assert_eq!(node.deadline(), None, "nothing is due before init");
    let init = json!({
        "src": "c1", "dest": "n1",
        "body": {"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1", "n2"]},
    });
    node.handle(ms(500), init.to_string().as_bytes());
    assert_eq!(HOOKED.get(), Some(ms(500)));
    let output = node.take_output();
    let types: Vec<_> = output.messages().map(|message| message.kind).collect();
    assert_eq!(types, ["hello", "init_ok"]);

    let beats = |node: &mut Node<Clock>, now| {
        let read = br#"{"src":"c1","dest":"n1","body":{"type":"beats","msg_id":2}}"#;
        node.handle(now, read);
        let output = node.take_output();
        let answer = output.messages().next().unwrap();
        serde_json::from_slice::<Value>(answer.line).unwrap()["body"]["beats"].clone()
    };
    assert_eq!(node.deadline(), Some(ms(520)));
    node.tick(ms(519));
    assert_eq!(beats(&mut node, ms(519)), json!([0, 0]));
    node.tick(ms(520));
    assert_eq!(beats(&mut node, ms(520)), json!([1, 0]));
    assert_eq!(node.deadline(), Some(ms(540)));
    // Late by many periods: one beat, not a burst.
    node.tick(ms(1_505));
    assert_eq!(beats(&mut node, ms(1_505)), json!([2, 1]));
    assert_eq!(node.deadline(), Some(ms(1_525)));
}

// A node that cannot start.

#[derive(Default)]
struct Twice;

#[handler("same", message = First)]
fn first(_: &Twice) {}

#[handler("same", message = Second)]
fn second(_: &Twice) {}

#[test]
fn two_handlers_for_one_type_are_reported_with_both_places() {
    let error = Node::<Twice>::new(0)
        .expect_err("it must not start")
        .to_string();
    assert!(error.contains("are for `same`"), "{error}");
    let places: Vec<_> = error
        .lines()
        .filter(|line| line.contains("lines.rs:"))
        .collect();
    assert!(
        places[0].contains("`first` at") && places[1].contains("`second` at"),
        "{error}"
    );
}

// A reply whose type hides that it is no map: the first one tells.

type Total = u64;

#[derive(Default)]
struct Mutes;

#[handler("mute")]
fn mute(_: &Mutes) -> Result<Total, Error> {
    Ok(1)
}

#[test]
fn a_reply_that_turns_out_to_be_no_map_is_an_answer_too() {
    let mut node = Node::<Mutes>::new(0).unwrap();
    let init =
        r#"{"src":"c1","dest":"n1","body":{"type":"init","node_id":"n1","node_ids":["n1"]}}"#;
    node.handle(ms(0), init.as_bytes());
    node.handle(
        ms(0),
        br#"{"src":"c1","dest":"n1","body":{"type":"mute","msg_id":2}}"#,
    );
    let output = node.take_output();
    let answer: Value = serde_json::from_slice(output.messages().next().unwrap().line).unwrap();
    assert_eq!(answer["body"]["code"], 13);
    assert!(
        answer["body"]["text"]
            .as_str()
            .unwrap()
            .contains("reply = \"…\"")
    );
}
