//! Handlers that wait, in unit tests: what `Context::mock` does.

use std::time::Duration;

use glomer_runtime::{Backoff, prelude::*, quorum};

#[derive(Default)]
struct State {
    values: Vec<u64>,
}

#[handler("get", reply = "value")]
fn get(state: &State) -> u64 {
    state.values.len() as u64
}

#[handler("put")]
fn put(state: &mut State, value: u64) {
    state.values.push(value);
}

/// Writes to all others, and says how many have it.
#[handler("copy", reply = "copies")]
async fn copy(cx: &Context, value: u64) -> usize {
    let calls: Vec<_> = cx.peers().map(|peer| cx.rpc(peer, Put { value })).collect();
    let mut copies = 0;
    for call in calls {
        copies += usize::from(call.await.is_ok());
    }
    copies
}

/// Has the rest of the work done beside it.
#[every("1s")]
async fn refresh(state: &Shared<State>, cx: &Context) {
    let (state, context) = (state.clone(), cx.clone());
    cx.spawn(async move {
        loop {
            context.sleep(Duration::from_secs(10)).await;
            let now = context.now().as_secs();
            state.with(|state| state.values.push(now));
        }
    });
}

#[handler("remind")]
fn remind(cx: &Context, times: u32) {
    cx.after(Duration::from_secs(60), Remind { times: times - 1 });
}

fn cluster() -> glomer_runtime::Mock {
    Context::mock("n1", ["n1", "n2", "n3", "n4"])
}

#[test]
fn peers_answer_err_or_stay_silent() {
    let cx = cluster();
    cx.answer("n2", |_: Put| Ok(()));
    cx.answer("n3", |_: Put| Err(Error::abort("full")));
    assert_eq!(cx.run(copy(&cx, 7)), 1);
    assert_eq!(cx.now(), Duration::from_secs(1), "n4 was waited for");
    let sent: Vec<_> = cx.sent().into_iter().map(|sent| sent.dest).collect();
    assert_eq!(sent, ["n2", "n3", "n4"]);
}

#[test]
fn an_answer_depends_on_the_request_and_may_change() {
    let cx = cluster();
    let mut left = 3;
    cx.answer("n2", move |put: Put| {
        left = u64::checked_sub(left, put.value).ok_or_else(|| Error::precondition_failed(""))?;
        Ok(())
    });
    // Another type of request to the same node is nobody's.
    cx.answer("n2", |_: Get| Ok(42));
    let put = |value| {
        cx.run(cx.rpc("n2", Put { value }))
            .map_err(|error| error.code())
    };
    assert_eq!(put(2), Ok(()));
    assert_eq!(put(2), Err(22));
    assert_eq!(put(1), Ok(()));
    assert_eq!(cx.run(cx.rpc("n2", Get {})), Ok(42));
    assert_eq!(cx.now(), Duration::ZERO, "answers take no time");
    assert_eq!(cx.run(cx.rpc("n3", Get {})).unwrap_err().code(), 0);
}

#[test]
fn what_is_tried_again_succeeds_in_time() {
    let cx = cluster();
    let mut tries = 0;
    cx.answer("n2", move |_: Get| {
        tries += 1;
        if tries < 4 {
            return Err(Error::temporarily_unavailable("busy"));
        }
        Ok(tries)
    });
    let backoff = Backoff::default()
        .first(Duration::from_secs(4))
        .max(Duration::from_secs(4));
    assert_eq!(cx.run(cx.retry(backoff, || cx.rpc("n2", Get {}))), Ok(4));
    assert!(cx.now() >= Duration::from_secs(6), "{:?}", cx.now());
}

#[test]
fn services_are_there() {
    let cx = cluster();
    let counted = cx.run(async {
        let kv = cx.lin_kv();
        kv.write("k", 1).await?;
        kv.cas("k", 1, 2).await?;
        assert_eq!(kv.cas("k", 1, 3).await.unwrap_err().code(), 22);
        assert_eq!(kv.read::<u64>("other").await.unwrap_err().code(), 20);
        kv.read::<u64>("k").await
    });
    assert_eq!(counted, Ok(2));
    cx.service("lin-kv", glomer_runtime::sim::service::LinKv::default());
    assert_eq!(cx.run(cx.lin_kv().read_or("k", 0)), Ok(0));
}

#[test]
fn what_was_spawned_goes_on_while_time_passes() {
    let (cx, state) = (cluster(), Shared::new(State::default()));
    cx.run(refresh(&state, &cx));
    assert!(state.with(|state| state.values.is_empty()));
    cx.run_for(Duration::from_secs(35));
    assert_eq!(state.with(|state| state.values.clone()), [10, 20, 30]);
    assert_eq!(cx.now(), Duration::from_secs(35));
    cx.run(cx.sleep(Duration::from_secs(5)));
    assert_eq!(state.with(|state| state.values.clone()), [10, 20, 30, 40]);
}

#[test]
fn what_it_keeps_for_itself_appears_when_it_is_due() {
    let cx = cluster();
    remind(&cx, 3);
    cx.run_for(Duration::from_secs(59));
    assert_eq!(cx.sent(), []);
    cx.run_for(Duration::from_secs(1));
    let sent = cx.sent();
    assert_eq!(sent[0].dest, "n1");
    assert_eq!(sent[0].decode::<Remind>().unwrap().times, 2);
}

#[test]
#[should_panic(expected = "neither answers nor time will bring")]
fn what_never_comes_is_told() {
    let cx = cluster();
    cx.run(cx.sleep(Duration::MAX));
}

#[test]
#[should_panic(expected = "goes on for ever")]
fn what_never_ends_is_told() {
    let cx = cluster();
    cx.run(async {
        loop {
            cx.sleep(Duration::from_secs(1)).await;
        }
    });
}

#[test]
#[should_panic(expected = "in the background")]
fn a_panic_of_a_spawned_task_fails_the_test() {
    let cx = cluster();
    cx.spawn(async { panic!("in the background") });
    cx.run_for(Duration::ZERO);
}

/// Asks all others for a value, and says what the first two answer.
fn first_two(cx: &Context) -> impl Future<Output = Result<Vec<u64>, Error>> {
    let ask = |peer| cx.rpc(peer, Get {}).timeout(Duration::from_secs(5));
    quorum(2, cx.peers().map(ask).collect::<Vec<_>>())
}

#[test]
fn a_quorum_does_not_wait_for_the_rest() {
    let cx = cluster();
    cx.answer("n2", |_: Get| Err(Error::abort("no")));
    cx.answer("n3", |_: Get| Ok(3));
    cx.answer("n4", |_: Get| Ok(4));
    assert_eq!(cx.run(first_two(&cx)), Ok(vec![3, 4]));
    let cx = cluster();
    cx.answer("n2", |_: Get| Ok(2));
    cx.answer("n4", |_: Get| Ok(4));
    assert_eq!(cx.run(first_two(&cx)), Ok(vec![2, 4]));
    assert_eq!(cx.now(), Duration::ZERO, "n3 was not waited for");
    assert_eq!(cx.run(quorum(0, [cx.rpc("n3", Get {})])), Ok(vec![]));
}

#[test]
fn a_quorum_that_cannot_be_reached_says_why_at_once() {
    let cx = cluster();
    cx.answer("n2", |_: Get| Err(Error::abort("full")));
    cx.answer("n4", |_: Get| Err(Error::custom(1001, "closed")));
    let error = cx.run(first_two(&cx)).unwrap_err();
    assert_eq!(cx.now(), Duration::ZERO, "n3 was not waited for");
    assert_eq!(
        error,
        Error::timeout(
            "2 answers are needed, and only 0 came; abort (14): full; custom (1001): closed"
        )
    );
    // All said that nothing happened.
    let calls = [cx.rpc("n2", Get {}), cx.rpc("n2", Get {})];
    assert_eq!(cx.run(quorum(1, calls)).unwrap_err().code(), 14);
    // More than there are.
    let error = cx.run(quorum(2, [cx.rpc("n3", Get {})])).unwrap_err();
    assert_eq!((error.code(), cx.now()), (0, Duration::ZERO));
}
