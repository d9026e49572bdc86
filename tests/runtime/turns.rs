//! Input and output have their turn, whatever timers, tasks and threads do.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;
use glomer_runtime::{Node, prelude::*};
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    turns: u64,
}

#[handler("turns", reply = "turns")]
fn turns(state: &State) -> u64 {
    state.turns
}

/// A timer without delay, for ever.
#[handler("again")]
fn again(state: &mut State, cx: &Context) {
    state.turns += 1;
    cx.after(Duration::ZERO, Again {});
}

/// An rpc that does not wait for its answer, for ever.
#[handler("hasty")]
async fn hasty(state: &Shared<State>, cx: &Context) {
    loop {
        state.with(|state| state.turns += 1);
        let answer = cx.rpc("n2", Turns {}).timeout(Duration::ZERO);
        assert!(answer.await.is_err());
    }
}

/// A sleep without duration, for ever.
#[handler("drowsy")]
async fn drowsy(state: &Shared<State>, cx: &Context) {
    loop {
        state.with(|state| state.turns += 1);
        cx.sleep(Duration::ZERO).await;
    }
}

/// A task that wakes itself, twice each time, for ever.
#[handler("eager")]
async fn eager(state: &Shared<State>) {
    std::future::poll_fn(|cx| {
        state.with(|state| state.turns += 1);
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
}

thread_local! {
    /// Takes the result that `elsewhere` waits for.
    static RESULT: Cell<Option<oneshot::Sender<u64>>> = const { Cell::new(None) };
    /// Wakes `counted`.
    static WAKER: Cell<Option<Waker>> = const { Cell::new(None) };
}

/// Waits for a thread.
#[handler("elsewhere", reply = "result")]
async fn elsewhere(_: &Shared<State>) -> Result<u64, Error> {
    let (sender, receiver) = oneshot::channel();
    RESULT.set(Some(sender));
    let gone = |_| Error::abort("the thread is gone");
    receiver.await.map_err(gone)
}

/// Counts how often it is polled.
#[handler("counted")]
async fn counted(state: &Shared<State>) {
    std::future::poll_fn(|cx| {
        state.with(|state| state.turns += 1);
        WAKER.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    })
    .await;
}

const NOW: Duration = Duration::from_secs(1);

fn start() -> Node<State> {
    let mut node = Node::new(3).unwrap();
    let init = json!({"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1", "n2"]});
    assert_eq!(ask(&mut node, init).len(), 1);
    node
}

/// The bodies of what the node sends when it gets this one.
fn ask(node: &mut Node<State>, body: Value) -> Vec<Value> {
    let line = json!({"src": "c1", "dest": "n1", "body": body}).to_string();
    node.handle(NOW, line.as_bytes());
    sent(node)
}

fn sent(node: &mut Node<State>) -> Vec<Value> {
    let output = node.take_output();
    let lines = output.messages().map(|message| message.line);
    let bodies = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["body"].take());
    bodies.collect()
}

fn turns_so_far(node: &mut Node<State>) -> u64 {
    let body = json!({"type": "turns", "msg_id": 9});
    let answers = ask(node, body);
    let answer = answers.iter().find(|body| body["type"] == "turns_ok");
    answer.expect("an answer at once")["turns"]
        .as_u64()
        .unwrap()
}

#[test]
fn what_never_rests_has_one_turn_at_a_time() {
    for kind in ["again", "hasty", "drowsy", "eager"] {
        let mut node = start();
        ask(&mut node, json!({ "type": kind }));
        let before = turns_so_far(&mut node);
        for _ in 0..100 {
            assert_eq!(node.deadline(), Some(NOW), "{kind} has something to do");
            node.tick(NOW);
            assert!(sent(&mut node).len() <= 1, "{kind} fills the output");
        }
        let turns = turns_so_far(&mut node) - before;
        assert!((100..=102).contains(&turns), "{kind} had {turns} turns");
    }
}

#[test]
fn what_never_rests_does_not_starve_others() {
    let mut node = start();
    for kind in ["again", "hasty", "drowsy", "eager", "eager"] {
        ask(&mut node, json!({ "type": kind }));
    }
    let waiting = json!({"type": "elsewhere", "msg_id": 5});
    ask(&mut node, waiting);
    RESULT.take().expect("it waits").send(7).unwrap();
    node.tick(NOW);
    let answer = sent(&mut node)
        .into_iter()
        .find(|body| body["type"] == "elsewhere_ok");
    assert_eq!(answer.expect("an answer")["result"], 7);
}

#[test]
fn every_task_hears_of_the_end_whatever_never_rests() {
    let mut node = start();
    ask(&mut node, json!({"type": "eager", "msg_id": 1}));
    ask(&mut node, json!({"type": "drowsy", "msg_id": 2}));
    node.finish(NOW);
    let answers = sent(&mut node);
    let ids: Vec<_> = answers.iter().map(|body| &body["in_reply_to"]).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn a_task_woken_many_times_has_one_turn() {
    let mut node = start();
    ask(&mut node, json!({"type": "counted"}));
    let waker = WAKER.take().expect("it was polled");
    thread::spawn(move || (0..1000).for_each(|_| waker.wake_by_ref()))
        .join()
        .unwrap();
    node.tick(NOW);
    assert_eq!(turns_so_far(&mut node), 2);
    assert_eq!(node.deadline(), None);
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_thread_wakes_the_driver_that_sleeps() {
    let bell = Arc::<Bell>::default();
    let mut node = start();
    node.set_waker(bell.clone().into());
    ask(&mut node, json!({"type": "elsewhere", "msg_id": 5}));
    assert_eq!(node.deadline(), None, "the driver may sleep");
    let result = RESULT.take().expect("it waits");
    thread::spawn(|| result.send(7)).join().unwrap().unwrap();
    assert_eq!(bell.rings(), 1);
    assert_eq!(node.deadline(), Some(NOW), "there is something to do");
    node.tick(NOW);
    assert_eq!(sent(&mut node)[0]["result"], 7);
    assert_eq!(node.deadline(), None);
}

#[test]
fn a_thread_does_not_wake_the_driver_that_is_awake() {
    let bell = Arc::<Bell>::default();
    let mut node = start();
    node.set_waker(bell.clone().into());
    ask(&mut node, json!({"type": "elsewhere", "msg_id": 5}));
    let result = RESULT.take().expect("it waits");
    thread::spawn(|| result.send(7)).join().unwrap().unwrap();
    assert_eq!(node.deadline(), Some(NOW), "it finds out by itself");
    // What the node does itself wakes nobody either.
    ask(&mut node, json!({"type": "elsewhere", "msg_id": 6}));
    assert_eq!(node.deadline(), None);
    ask(&mut node, json!({"type": "drowsy"}));
    node.tick(NOW);
    assert_eq!(bell.rings(), 0);
}

#[test]
fn a_driver_that_sleeps_is_woken_once() {
    let bell = Arc::<Bell>::default();
    let mut node = start();
    node.set_waker(bell.clone().into());
    let mut results = Vec::new();
    for id in 5..15 {
        ask(&mut node, json!({"type": "elsewhere", "msg_id": id}));
        results.push(RESULT.take().expect("it waits"));
    }
    assert_eq!(node.deadline(), None);
    let threads = results.into_iter().map(|it| thread::spawn(|| it.send(7)));
    threads.for_each(|thread| thread.join().unwrap().unwrap());
    assert_eq!(bell.rings(), 1);
    node.tick(NOW);
    assert_eq!(sent(&mut node).len(), 10);
}
