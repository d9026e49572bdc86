//! Handlers that wait: rpc, sleep, spawn, cancellation, floods.

use std::time::Duration;

use glomer_runtime::{Node, prelude::*};
use serde_json::{Value, json};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[derive(Default)]
struct State {
    log: Vec<String>,
}

#[handler("ping", reply = "pong")]
fn ping(_: &State, n: u64) -> u64 {
    n
}

#[handler("first")]
async fn first(_: &Shared<State>, cx: &Context) -> Result<(), Error> {
    // Dropped at once: its answer, if any, is nobody's.
    drop(cx.rpc("n2", Ping { n: 1 }));
    let slow = cx.rpc("n2", Ping { n: 2 }).timeout(ms(50));
    let fast = cx.rpc("n3", Ping { n: 3 }).timeout(ms(5000));
    slow.await.unwrap_or_default();
    fast.await?;
    Ok(())
}

#[handler("work")]
async fn work(state: &Shared<State>, cx: &Context, name: String) {
    state.with(|state| state.log.push(format!("{name} begins")));
    let (shared, context) = (state.clone(), cx.node_id().to_string());
    cx.spawn(async move {
        shared.with(|state| state.log.push(format!("spawned on {context}")));
    });
    cx.sleep(ms(10)).await;
    state.with(|state| state.log.push(format!("{name} ends for {}", cx.sender())));
}

#[handler("log", reply = "log")]
fn log(state: &State) -> Vec<String> {
    state.log.clone()
}

#[handler("nested")]
async fn nested(state: &Shared<State>) {
    state.with(|_| state.with(|_| ()));
}

#[handler("remind")]
fn remind(state: &mut State, cx: &Context, times: u32) {
    state.log.push(format!("{times} from {}", cx.sender()));
    if times > 0 {
        cx.after(ms(30), Remind { times: times - 1 });
    }
}

#[handler("for_ever")]
async fn for_ever(state: &Shared<State>, cx: &Context) -> Result<(), Error> {
    cx.after(Duration::MAX, Remind { times: 9 });
    let (sleep, shared) = (cx.sleep(Duration::MAX), state.clone());
    cx.spawn(async move {
        sleep.await;
        shared.with(|state| state.log.push("awake".into()));
    });
    cx.rpc("n2", Ping { n: 1 }).timeout(Duration::MAX).await?;
    Ok(())
}

#[handler("twice")]
async fn twice(_: &Shared<State>) {
    let mut first = true;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        if std::mem::take(&mut first) {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}

#[test]
fn a_task_that_was_woken_and_is_over_leaves_nothing_to_do() {
    let mut node = start();
    let body = json!({"type": "twice", "msg_id": 5});
    assert!(send(&mut node, ms(0), "c1", body).is_empty());
    node.tick(ms(0));
    assert_eq!(lines(&mut node).len(), 1);
    assert_eq!(node.deadline(), None);
}

#[handler("spin")]
async fn spin(_: &Shared<State>) {
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    })
    .await;
}

fn start() -> Node<State> {
    let mut node = Node::new(3).unwrap();
    let init = br#"{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3"]}}"#;
    node.handle(ms(0), init);
    assert_eq!(lines(&mut node).len(), 1);
    node
}

fn lines(node: &mut Node<State>) -> Vec<Value> {
    let output = node.take_output();
    let lines = output.messages().map(|message| message.line);
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn send(node: &mut Node<State>, now: Duration, src: &str, body: Value) -> Vec<Value> {
    let line = json!({"src": src, "dest": "n1", "body": body}).to_string();
    node.handle(now, line.as_bytes());
    lines(node)
}

#[test]
fn rpcs_go_out_at_once_and_a_dropped_one_is_cancelled() {
    let mut node = start();
    let sent = send(
        &mut node,
        ms(0),
        "c1",
        json!({"type": "first", "msg_id": 5}),
    );
    assert_eq!(
        sent.iter()
            .map(|m| m["body"]["n"].clone())
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        node.deadline(),
        Some(ms(50)),
        "the dropped rpc left no deadline"
    );
    let reply =
        |n: usize| json!({"type": "ping_ok", "in_reply_to": sent[n]["body"]["msg_id"], "pong": 0});
    assert!(send(&mut node, ms(1), "n2", reply(0)).is_empty());
    // The later one is answered first, and kept until it is awaited.
    assert!(send(&mut node, ms(2), "n3", reply(2)).is_empty());
    node.tick(ms(50));
    let answers = lines(&mut node);
    assert_eq!(
        answers[0]["body"],
        json!({"type": "first_ok", "in_reply_to": 5})
    );
    assert_eq!(node.deadline(), None);
}

#[test]
fn handlers_run_while_another_waits() {
    let mut node = start();
    for (at, name) in [(0, "a"), (5, "b")] {
        let body = json!({"type": "work", "name": name, "msg_id": at});
        assert!(send(&mut node, ms(at), &format!("c{name}"), body).is_empty());
    }
    assert_eq!(node.deadline(), Some(ms(10)));
    node.tick(ms(15));
    assert_eq!(
        lines(&mut node)
            .iter()
            .map(|m| m["dest"].clone())
            .collect::<Vec<_>>(),
        ["ca", "cb"]
    );
    let log = send(&mut node, ms(16), "c1", json!({"type": "log", "msg_id": 9}));
    assert_eq!(
        log[0]["body"]["log"],
        json!([
            "a begins",
            "spawned on n1",
            "b begins",
            "spawned on n1",
            "a ends for ca",
            "b ends for cb",
        ])
    );
}

#[test]
fn borrowing_the_state_twice_says_what_to_do() {
    let mut node = start();
    let answers = send(
        &mut node,
        ms(0),
        "c1",
        json!({"type": "nested", "msg_id": 5}),
    );
    assert_eq!(answers[0]["body"]["code"], 13);
    let report = node.take_log().pop().unwrap().text;
    assert!(report.contains("within another `with`"), "{report}");
    assert_eq!(
        send(&mut node, ms(0), "c1", json!({"type": "log", "msg_id": 6})).len(),
        1
    );
}

#[test]
fn a_message_to_itself_comes_later_and_not_over_the_network() {
    let mut node = start();
    send(
        &mut node,
        ms(0),
        "c1",
        json!({"type": "remind", "times": 2}),
    );
    assert_eq!(node.deadline(), Some(ms(30)));
    node.tick(ms(30));
    node.tick(ms(60));
    assert_eq!(node.deadline(), None);
    let log = send(&mut node, ms(61), "c1", json!({"type": "log", "msg_id": 9}));
    assert_eq!(
        log[0]["body"]["log"],
        json!(["2 from c1", "1 from n1", "0 from n1"])
    );
}

#[test]
fn what_waits_for_ever_waits() {
    let mut node = start();
    let sent = send(
        &mut node,
        ms(7),
        "c1",
        json!({"type": "for_ever", "msg_id": 1}),
    );
    let rpc = sent[0]["body"]["msg_id"].as_u64().unwrap();
    let later = Duration::from_secs(1 << 40);
    node.tick(later);
    assert!(lines(&mut node).is_empty());
    let log = send(&mut node, later, "c1", json!({"type": "log", "msg_id": 2}));
    assert_eq!(log[0]["body"]["log"], json!([]));
    let pong = json!({"type": "ping_ok", "in_reply_to": rpc, "pong": 1});
    let answer = send(&mut node, later, "n2", pong);
    assert_eq!(answer[0]["body"]["type"], "for_ever_ok");
}

#[test]
fn a_task_that_never_rests_does_not_keep_the_node_from_its_input() {
    let mut node = start();
    assert!(send(&mut node, ms(0), "c1", json!({"type": "spin", "msg_id": 5})).is_empty());
    assert_eq!(
        node.deadline(),
        Some(ms(0)),
        "there is something to do at once"
    );
    assert_eq!(
        send(
            &mut node,
            ms(1),
            "c1",
            json!({"type": "ping", "n": 4, "msg_id": 6})
        )
        .len(),
        1
    );
    node.finish(ms(2));
    assert_eq!(lines(&mut node)[0]["body"]["code"], 0);
}

#[test]
fn a_flood_of_waiting_requests_is_bounded_and_every_one_answered() {
    let mut node = start();
    let mut refused = 0;
    let total = 70_000;
    for id in 0..total {
        let body = json!({"type": "work", "name": "w", "msg_id": id});
        for answer in send(&mut node, ms(0), "c1", body) {
            assert_eq!(answer["body"]["code"], 11);
            refused += 1;
        }
    }
    assert_eq!(refused, total - 65_536);
    node.tick(ms(10));
    let mut answered = refused;
    while node.deadline().is_some() {
        answered += lines(&mut node).len();
        node.tick(ms(11));
    }
    answered += lines(&mut node).len();
    assert_eq!(answered, total);
}

#[test]
fn a_kv_store_is_read_and_written() {
    #[derive(Default)]
    struct Kv;

    #[handler("incr", reply = "value")]
    async fn incr(_: &Shared<Kv>, cx: &Context, key: String) -> Result<u64, Error> {
        let kv = cx.lin_kv().timeout(ms(200));
        let value: u64 = kv.read_or(&key, 0).await?;
        kv.cas_or_create(&key, value, value + 1).await?;
        kv.cas("other", 1, 2).await?;
        kv.write([1, 2], json!({"x": cx.lin_tso().ts().await?}))
            .await?;
        Ok(value + 1)
    }

    let mut node = Node::<Kv>::new(3).unwrap();
    let init = br#"{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#;
    node.handle(ms(0), init);
    drop(node.take_output());
    let mut exchange = |line: Value| {
        node.handle(ms(0), line.to_string().as_bytes());
        let output = node.take_output();
        serde_json::from_slice::<Value>(output.messages().next().unwrap().line).unwrap()
    };
    let reply = |to: &Value, body: Value| {
        let mut body = body;
        body["in_reply_to"] = to["body"]["msg_id"].clone();
        json!({"src": to["dest"], "dest": "n1", "body": body})
    };
    let without_id = |message: &Value| {
        let mut body = message["body"].clone();
        body.as_object_mut().unwrap().remove("msg_id");
        (message["dest"].clone(), body)
    };

    let read = exchange(
        json!({"src": "c1", "dest": "n1", "body": {"type": "incr", "key": "k", "msg_id": 2}}),
    );
    assert_eq!(
        without_id(&read),
        (json!("lin-kv"), json!({"type": "read", "key": "k"}))
    );
    let cas = exchange(reply(
        &read,
        json!({"type": "error", "code": 20, "text": "no key"}),
    ));
    assert_eq!(
        without_id(&cas).1,
        json!({"type": "cas", "key": "k", "from": 0, "to": 1, "create_if_not_exists": true})
    );
    let plain = exchange(reply(&cas, json!({"type": "cas_ok"})));
    assert_eq!(
        without_id(&plain).1,
        json!({"type": "cas", "key": "other", "from": 1, "to": 2})
    );
    let ts = exchange(reply(&plain, json!({"type": "cas_ok"})));
    assert_eq!(without_id(&ts), (json!("lin-tso"), json!({"type": "ts"})));
    let write = exchange(reply(&ts, json!({"type": "ts_ok", "ts": 17})));
    assert_eq!(
        without_id(&write).1,
        json!({"type": "write", "key": [1, 2], "value": {"x": 17}})
    );
    let done = exchange(reply(&write, json!({"type": "write_ok"})));
    assert_eq!(
        done["body"],
        json!({"type": "incr_ok", "in_reply_to": 2, "value": 1})
    );
}

#[handler("persist", reply = "pong")]
async fn persist(_: &Shared<State>, cx: &Context) -> Result<u64, Error> {
    let backoff = glomer_runtime::Backoff::default()
        .first(ms(100))
        .max(ms(400))
        .attempts(4);
    cx.retry(backoff, || cx.rpc("n2", Ping { n: 1 }).timeout(ms(10)))
        .await
}

#[test]
fn what_may_succeed_is_tried_again_with_growing_waits() {
    let mut node = start();
    let mut now = ms(0);
    let mut sent = send(
        &mut node,
        now,
        "c1",
        json!({"type": "persist", "msg_id": 5}),
    );
    for longest in [100, 200, 400] {
        assert_eq!(sent.len(), 1);
        assert_eq!(
            node.deadline(),
            Some(now + ms(10)),
            "the answer is waited for"
        );
        now += ms(10);
        node.tick(now);
        let wait = node.deadline().unwrap() - now;
        assert!(wait >= ms(longest) / 2 && wait <= ms(longest), "{wait:?}");
        now += wait;
        node.tick(now);
        sent = lines(&mut node);
    }
    let busy = json!({"type": "error", "code": 11, "in_reply_to": sent[0]["body"]["msg_id"]});
    let answers = send(&mut node, now, "n2", busy);
    assert_eq!(
        answers[0]["body"]["code"], 11,
        "the fourth try was the last"
    );
}

#[test]
fn what_cannot_succeed_is_not_tried_again() {
    let mut node = start();
    let sent = send(
        &mut node,
        ms(0),
        "c1",
        json!({"type": "persist", "msg_id": 5}),
    );
    let no = json!({"type": "error", "code": 22, "in_reply_to": sent[0]["body"]["msg_id"]});
    let answers = send(&mut node, ms(1), "n2", no);
    assert_eq!(answers[0]["body"]["code"], 22);
    assert_eq!(node.deadline(), None);
}
