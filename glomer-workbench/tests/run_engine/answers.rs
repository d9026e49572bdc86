//! What becomes of an operation by the answer to its request: a table by workload and kind of
//! answer, after Maelstrom's `client.clj` (`recv!`, `rpc!`, `with-errors`, `check-body`) and the
//! schemas of its workloads.

use glomer_workbench::workload::Workloads;

use super::*;

/// Stands for an integer beyond 64 bits, which `Value` has no room for.
const WIDE: &str = "@wide";
const DIGITS: &str = "1267650600228229401496703205377";

/// A right answer to any request, without its `in_reply_to`.
fn right(workload: &str, body: &Value) -> Value {
    let kind = body["type"].as_str().unwrap();
    let mut answer = match (workload, kind) {
        (_, "echo") => json!({"echo": body["echo"]}),
        (_, "generate") => json!({"id": body["msg_id"]}),
        ("broadcast", "read") => json!({"messages": []}),
        ("g-set", "read") => json!({"value": []}),
        (_, "read") => json!({"value": 0}),
        (_, "txn") => json!({"txn": body["txn"]}),
        (_, "send") => json!({"offset": 0}),
        (_, "poll") => json!({"msgs": {}}),
        (_, "list_committed_offsets") => json!({"offsets": {}}),
        _ => json!({}),
    };
    answer["type"] = format!("{kind}_ok").into();
    answer
}

/// How the first operation of a function ends, `ok`, `fail` or `info`, and with which value, if
/// its request, of a type, is answered like this: `answer` makes the bodies of the right one.
fn ending(
    workload: &str,
    (f, kind): (&str, &str),
    answer: &dyn Fn(Value) -> Vec<Value>,
) -> (&'static str, String) {
    let workloads = Workloads::default();
    let mut plan = plan_of(workloads.get(workload).unwrap(), 1);
    if workload == "lin-kv" {
        plan.setting.concurrency = 2;
    }
    let mut node = |_: usize, src: &str, body: &Value| {
        let mut right = right(workload, body);
        right["in_reply_to"] = body["msg_id"].clone();
        let bodies = if body["type"] == kind {
            answer(right)
        } else {
            vec![right]
        };
        let to = |body| (src.to_owned(), body);
        bodies.into_iter().map(to).collect()
    };
    let ran = run(plan, &mut node);
    assert_eq!(ran.problem, None, "{workload} {f}");
    let mut completions = ran.history.client_ops();
    let first = completions
        .find(|op| op.f == f && op.kind != OpType::Invoke)
        .unwrap();
    (first.kind.name(), first.value.to_string())
}

fn with(mut body: Value, field: &str, value: Value) -> Vec<Value> {
    body[field] = value;
    vec![body]
}

fn without(mut body: Value, field: &str) -> Vec<Value> {
    body.as_object_mut().unwrap().remove(field);
    vec![body]
}

fn error(body: &Value, code: Value) -> Vec<Value> {
    let id = &body["in_reply_to"];
    vec![json!({"type": "error", "code": code, "text": "no", "in_reply_to": id})]
}

#[test]
fn every_kind_of_answer_ends_an_operation_as_under_maelstrom() {
    type Answer = Box<dyn Fn(Value) -> Vec<Value>>;
    let anything: Vec<(&str, &str, Answer)> = vec![
        ("right", "ok", Box::new(|body| vec![body])),
        (
            "right, twice",
            "ok",
            Box::new(|body| vec![body.clone(), body]),
        ),
        (
            "right, after one that nobody asked for",
            "ok",
            Box::new(|body| {
                let mut stray = with(body.clone(), "in_reply_to", json!(999));
                stray.extend(without(body.clone(), "in_reply_to"));
                stray.push(body);
                stray
            }),
        ),
        (
            "right, with a msg_id",
            "ok",
            Box::new(|body| with(body, "msg_id", json!(7))),
        ),
        (
            "its msg_id is no integer",
            "info",
            Box::new(|body| with(body, "msg_id", json!("7"))),
        ),
        (
            "its msg_id is null",
            "info",
            Box::new(|body| with(body, "msg_id", json!(null))),
        ),
        (
            "of another type",
            "info",
            Box::new(|body| with(body, "type", json!("hello"))),
        ),
        (
            "without a type",
            "info",
            Box::new(|body| without(body, "type")),
        ),
        (
            "a field more",
            "info",
            Box::new(|body| with(body, "more", json!(null))),
        ),
        (
            "an indefinite error",
            "info",
            Box::new(|body| error(&body, json!(13))),
        ),
        (
            "an error without a meaning",
            "info",
            Box::new(|body| error(&body, json!(1001))),
        ),
        (
            "an error whose code is text",
            "info",
            Box::new(|body| error(&body, json!("11"))),
        ),
        (
            "an error whose code is a float",
            "info",
            Box::new(|body| error(&body, json!(11.0))),
        ),
        (
            "an error without a code",
            "info",
            Box::new(|body| error(&body, json!(null))),
        ),
        (
            "a definite error",
            "fail",
            Box::new(|body| error(&body, json!(11))),
        ),
        ("none", "info", Box::new(|_| Vec::new())),
        (
            "to another request",
            "info",
            Box::new(|body| with(body, "in_reply_to", json!(999))),
        ),
        (
            "in_reply_to is a float",
            "info",
            Box::new(|body| {
                let id = body["in_reply_to"].as_f64().unwrap();
                with(body, "in_reply_to", json!(id))
            }),
        ),
        (
            "no in_reply_to",
            "info",
            Box::new(|body| without(body, "in_reply_to")),
        ),
    ];
    // Function and request; whether errors are told apart, and whether it changes nothing.
    for (workload, op, told, idempotent) in [
        ("echo", ("echo", "echo"), true, false),
        ("unique-ids", ("generate", "generate"), true, false),
        ("broadcast", ("broadcast", "broadcast"), true, false),
        ("broadcast", ("read", "read"), true, true),
        ("g-set", ("add", "add"), false, false),
        ("g-set", ("read", "read"), false, false),
        ("pn-counter", ("add", "add"), false, false),
        ("g-counter", ("read", "read"), false, false),
        ("lin-kv", ("read", "read"), true, true),
        ("lin-kv", ("write", "write"), true, false),
        ("lin-kv", ("cas", "cas"), true, false),
        ("kafka", ("send", "send"), true, false),
        ("kafka", ("poll", "poll"), true, false),
        ("txn-list-append", ("txn", "txn"), true, false),
        ("txn-rw-register", ("txn", "txn"), true, false),
    ] {
        for (what, usually, answer) in &anything {
            let is_error = what.contains("error");
            let is_silence = ["none", "to another", "in_reply_to is", "no in_reply_to"];
            let is_silence = is_silence.iter().any(|start| what.starts_with(start));
            // A request for a list is asked for with null in each read, which is no list.
            let expected = match *usually {
                "info" if idempotent && (is_error || is_silence) => "fail",
                "fail" if !told => "info",
                usually => usually,
            };
            let (ended, _) = ending(workload, op, answer.as_ref());
            assert_eq!(ended, expected, "{workload} {}: {what}", op.0);
        }
    }
}

#[test]
fn every_field_ends_an_operation_as_under_maelstrom() {
    let read = ("read", "read");
    let poll = ("poll", "poll");
    let txn = ("txn", "txn");
    for (workload, op, field, rows) in [
        (
            "echo",
            ("echo", "echo"),
            "echo",
            vec![(json!(null), "ok"), (json!(7), "ok"), (json!([]), "ok")],
        ),
        (
            "unique-ids",
            ("generate", "generate"),
            "id",
            vec![
                (json!(null), "ok"),
                (json!(WIDE), "ok"),
                (json!({"a": [1]}), "ok"),
            ],
        ),
        (
            "broadcast",
            read,
            "messages",
            vec![
                (json!(null), "ok"),
                (json!([1, "a", null]), "ok"),
                (json!({}), "info"),
                (json!("1"), "info"),
                (json!(1), "info"),
            ],
        ),
        (
            "g-set",
            read,
            "value",
            vec![(json!(null), "ok"), (json!([1]), "ok"), (json!({}), "info")],
        ),
        (
            "pn-counter",
            read,
            "value",
            vec![
                (json!(-3), "ok"),
                (json!(WIDE), "ok"),
                (json!(1.0), "info"),
                (json!("1"), "info"),
                (json!(null), "info"),
            ],
        ),
        (
            "lin-kv",
            read,
            "value",
            vec![(json!(null), "ok"), (json!(1.5), "ok"), (json!(WIDE), "ok")],
        ),
        (
            "kafka",
            ("send", "send"),
            "offset",
            vec![
                (json!(3), "ok"),
                (json!("3"), "info"),
                (json!(null), "info"),
            ],
        ),
        (
            "kafka",
            poll,
            "msgs",
            vec![
                (json!({"8": []}), "ok"),
                (json!({"8": null}), "ok"),
                (json!({"8": [[0, null]]}), "ok"),
                (json!({"8": [[0]]}), "info"),
                (json!({"8": [null]}), "info"),
                (json!({"8": [["0", 1]]}), "info"),
                (json!({"8": [[0, 1, 2]]}), "info"),
                (json!([]), "info"),
                (json!(null), "info"),
            ],
        ),
        (
            "txn-list-append",
            txn,
            "txn",
            vec![
                (json!(null), "ok"),
                (json!([]), "ok"),
                (json!([["r", 1, null]]), "ok"),
                (json!([["r", 1, [2]], ["append", "a", {}]]), "ok"),
                (json!([["r", 1, 2]]), "info"),
                (json!([["r", 1]]), "info"),
                (json!([["r", 1, [], 3]]), "info"),
                (json!([["w", 1, 2]]), "info"),
                (json!([null]), "info"),
                (json!({}), "info"),
            ],
        ),
        (
            "txn-rw-register",
            txn,
            "txn",
            vec![
                (json!(null), "ok"),
                (json!([["r", 1, [2]], ["w", 1, null]]), "ok"),
                (json!([["append", 1, 2]]), "info"),
                (json!([["w", 1]]), "info"),
            ],
        ),
    ] {
        for (value, expected) in rows {
            let answer = |body| with(body, field, value.clone());
            let (ended, shown) = ending(workload, op, &answer);
            assert_eq!(ended, expected, "{workload} {}: {field} {value}", op.0);
            if value == json!(WIDE) {
                assert!(shown.contains(DIGITS), "{shown}");
            }
        }
        let (ended, _) = ending(workload, op, &|body| without(body, field));
        assert_eq!(ended, "info", "{workload} {}: no {field}", op.0);
    }
    // An empty list of operations, as Maelstrom has it.
    let null = ending("txn-list-append", txn, &|body| {
        with(body, "txn", json!(null))
    });
    assert_eq!(null.1, "[]");
}

#[test]
fn an_answer_without_a_field_is_told_what_belongs_there() {
    for (workload, kind, field, form) in [
        ("echo", "echo", "echo", "anything"),
        ("broadcast", "read", "messages", "a list"),
        ("pn-counter", "read", "value", "an integer"),
        (
            "kafka",
            "poll",
            "msgs",
            "a map from keys to lists of [offset, message] pairs",
        ),
        (
            "kafka",
            "list_committed_offsets",
            "offsets",
            "a map from keys to offsets",
        ),
        (
            "txn-list-append",
            "txn",
            "txn",
            r#"a list of ["r", key, list] and ["append", key, element]"#,
        ),
        (
            "txn-rw-register",
            "txn",
            "txn",
            r#"a list of ["r", key, value] and ["w", key, value]"#,
        ),
    ] {
        let workloads = Workloads::default();
        let mut node = |_: usize, src: &str, body: &Value| {
            let mut right = right(workload, body);
            right["in_reply_to"] = body["msg_id"].clone();
            if body["type"] == kind {
                right = without(right, field).remove(0);
            }
            vec![(src.to_owned(), right)]
        };
        let ran = run(plan_of(workloads.get(workload).unwrap(), 1), &mut node);
        let told = format!("it has no {field:?}, which should be {form}");
        let first = &ran.warnings[0];
        assert!(first.ends_with(&told), "{workload} {kind}: {first}");
    }
}

/// The line that a node writes, with the digits that [`WIDE`] stands for.
pub(super) fn widened(line: &str) -> String {
    line.replace(&format!("\"{WIDE}\""), DIGITS)
}

#[test]
fn a_node_that_does_not_reply_to_its_init_is_told_what_it_wrote() {
    let ran = run(plan(Echo, 1), &mut |_, src, body| {
        vec![(
            src.to_owned(),
            json!({"type": "init_ok", "id": body["msg_id"]}),
        )]
    });
    assert_eq!(
        ran.problem.unwrap().headline(),
        "n0 did not answer its init message within 10s; it wrote {\"id\":1,\"type\":\"init_ok\"}, \
         whose in_reply_to should be the msg_id of the init"
    );
}
