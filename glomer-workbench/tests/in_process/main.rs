//! Workloads against nodes in this process, as users of `Test` have it.

mod disks;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Latency, Program, ms, secs};
use glomer_workbench::checker::Availability;
use glomer_workbench::history::OpType;
use glomer_workbench::history::typed::History;
use glomer_workbench::run::nemesis::{Duplicate, Kill, Loss, Partition, Pause, Skew, Slow};
use glomer_workbench::run::schedule::Schedule;
use glomer_workbench::verdict::{Validity, Verdict};
use glomer_workbench::workload::{self, Client, GCounter, LinKv, Turn, UniqueIds, Workload};
use glomer_workbench::{Test, Tested};

/// A store that `n0` keeps, or every node for itself, which is wrong.
#[derive(Default)]
struct Store {
    each: bool,
    values: BTreeMap<u64, u64>,
}

const KEEPER: &str = "n0";

impl Store {
    fn keeps(store: &Shared<Store>, cx: &Context) -> bool {
        cx.node_id() == KEEPER || store.with(|store| store.each)
    }

    fn get(&self, key: u64) -> Result<u64, Error> {
        let value = self.values.get(&key).copied();
        value.ok_or_else(|| Error::key_does_not_exist("not here"))
    }
}

#[handler("read", reply = "value")]
async fn read(store: &Shared<Store>, cx: &Context, key: u64) -> Result<u64, Error> {
    if Store::keeps(store, cx) {
        store.with(|store| store.get(key))
    } else {
        cx.rpc(KEEPER, Read { key }).await
    }
}

#[handler("write")]
async fn write(store: &Shared<Store>, cx: &Context, key: u64, value: u64) -> Result<(), Error> {
    if Store::keeps(store, cx) {
        store.with(|store| store.values.insert(key, value));
        Ok(())
    } else {
        cx.rpc(KEEPER, Write { key, value }).await
    }
}

#[handler("cas")]
async fn cas(
    store: &Shared<Store>,
    cx: &Context,
    key: u64,
    from: u64,
    to: u64,
) -> Result<(), Error> {
    if !Store::keeps(store, cx) {
        return cx.rpc(KEEPER, Cas { key, from, to }).await;
    }
    store.with(|store| {
        if store.get(key)? != from {
            return Err(Error::precondition_failed("it changed"));
        }
        store.values.insert(key, to);
        Ok(())
    })
}

/// What is in front of the keeper, and of another type.
mod front {
    use super::{Cas, KEEPER, Read, Write};
    use glomer_runtime::prelude::*;

    #[derive(Default)]
    pub(crate) struct Front;

    #[handler("read", reply = "value", message = AskRead)]
    async fn read(_: &Shared<Front>, cx: &Context, key: u64) -> Result<u64, Error> {
        cx.rpc(KEEPER, Read { key }).await
    }

    #[handler("write", message = AskWrite)]
    async fn write(_: &Shared<Front>, cx: &Context, key: u64, value: u64) -> Result<(), Error> {
        cx.rpc(KEEPER, Write { key, value }).await
    }

    #[handler("cas", message = AskCas)]
    async fn cas(
        _: &Shared<Front>,
        cx: &Context,
        key: u64,
        from: u64,
        to: u64,
    ) -> Result<(), Error> {
        cx.rpc(KEEPER, Cas { key, from, to }).await
    }
}

fn lin_kv() -> Test {
    Test::new(LinKv::default())
        .nodes(3)
        .rate(100.0)
        .latency(Latency::exponential(ms(5)))
        .nemesis_interval(secs(2))
        .time_limit(secs(10))
        .seeds(0..10)
}

/// What a panic says.
fn complaint(f: impl FnOnce() + UnwindSafe) -> String {
    let payload = catch_unwind(f).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn a_right_node_is_valid_whatever_the_network_does() {
    lin_kv()
        .nemesis((Partition, Loss, Slow, Pause, Skew))
        .run::<Store>()
        .assert_valid();
}

/// What arrives twice is done twice, the second time perhaps after something else.
#[test]
fn a_mistake_that_only_a_bad_network_shows_is_found() {
    let tests = lin_kv().nemesis(Duplicate).run::<Store>();
    assert_eq!(tests.refused().unwrap().validity(), Validity::False);
}

#[test]
fn nodes_may_have_states_of_different_types() {
    lin_kv()
        .run_programs(|node| {
            if node == 0 {
                Program::of::<Store>()
            } else {
                Program::of::<front::Front>()
            }
        })
        .assert_valid();
}

#[test]
fn a_wrong_node_fails_with_the_smallest_seed_and_the_way_to_run_it_again() {
    let each = || {
        lin_kv().run_with(|_| Store {
            each: true,
            ..Store::default()
        })
    };
    let tests = each();
    let tested = tests.refused().unwrap();
    assert_eq!((tested.seed, tested.validity()), (0, Validity::False));
    assert_eq!(tests.count(Validity::True), 0);
    let text = complaint(move || each().assert_valid());
    for part in [
        "lin-kv with seed 0 is invalid, and with none before it: ",
        " invalid",
        ":turn-latency-ms [0.0 2.0]",
        ":seed 0",
        "to run it alone: GLOMER_SEED=0 cargo test \
         a_wrong_node_fails_with_the_smallest_seed_and_the_way_to_run_it_again",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

// A node that answers whatever comes.

#[derive(Default)]
struct Parrot {
    heard: u64,
    /// Panics at each such message.
    fails_at: u64,
}

#[handler("echo", reply = "echo")]
fn echo(state: &mut Parrot, echo: serde_json::Value) -> serde_json::Value {
    state.heard += 1;
    assert!(state.heard != state.fails_at, "too much to repeat");
    echo
}

fn parrots() -> Test {
    Test::new(workload::Echo)
        .nodes(2)
        .rate(50.0)
        .time_limit(secs(2))
        .seeds(0..4)
}

fn fragile(_: &glomer_runtime::Init) -> Parrot {
    Parrot {
        fails_at: 7,
        ..Parrot::default()
    }
}

#[test]
fn a_node_that_panics_fails_the_test_unless_it_is_tolerated() {
    let text = complaint(|| parrots().run_with(fragile).assert_valid());
    for part in [
        "n0 reported an error: ",
        "handler `echo` at glomer-workbench/tests/in_process/main.rs:",
        ": too much to repeat",
        "`.tolerate_panics()`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let tests = parrots().tolerate_panics().run_with(fragile);
    tests.assert_valid();
}

#[derive(Default)]
struct Mute;

#[handler("echo", reply = "echo", message = Unheard)]
async fn unheard(_: &Shared<Mute>, cx: &Context, echo: serde_json::Value) -> serde_json::Value {
    cx.sleep(secs(3600)).await;
    echo
}

#[test]
fn without_an_answer_nobody_knows_and_that_is_not_valid() {
    let tests = parrots().run::<Mute>();
    assert_eq!(tests.refused().unwrap().validity(), Validity::Unknown);
    let text = complaint(|| parrots().run::<Mute>().assert_valid());
    assert!(text.contains("echo with seed 0 is unknown, which is not valid"));
    assert!(text.contains("not one operation was :ok"), "{text}");
    let text = complaint(|| parrots().seeds([]).run::<Parrot>().assert_valid());
    assert!(text.starts_with("no run was valid"), "{text}");
    let tests = parrots().tolerate_unknown().run::<Mute>();
    assert!(tests.refused().is_none());
    assert_eq!(tests.count(Validity::Unknown), 4);
    let text = complaint(move || tests.assert_valid());
    assert!(
        text.ends_with("4 runs: 0 valid, 0 invalid, 4 unknown"),
        "{text}"
    );
}

struct Unread;

#[handler("add", message = AddUnread)]
fn add_unread(_: &Unread, delta: i64) {}

#[handler("read", message = ReadUnread)]
fn read_unread(_: &Unread) -> Result<(), Error> {
    Err(Error::abort("not now"))
}

/// The command calls such a run invalid, as Maelstrom does.
#[test]
fn a_function_that_never_succeeds_is_not_valid() {
    let counted = || Test::new(GCounter).time_limit(secs(5)).seeds(0..2);
    let tests = counted().run_with(|_| Unread);
    assert_eq!(tests.refused().unwrap().validity(), Validity::Unknown);
    let text = complaint(|| counted().run_with(|_| Unread).assert_valid());
    assert!(text.contains("no `read` succeeded"), "{text}");
    assert!(!text.contains("not one operation was :ok"), "{text}");
}

/// Answers every other time.
#[derive(Default)]
struct Moody {
    asked: u64,
}

#[handler("nod")]
fn nod(state: &mut Moody) -> Result<(), Error> {
    state.asked += 1;
    if state.asked.is_multiple_of(2) {
        return Err(Error::abort("not now"));
    }
    Ok(())
}

/// Clients nod, and want a nod back nearly always.
#[derive(Clone)]
struct Nods;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
enum Op {
    Nod,
}

impl Workload for Nods {
    const NAME: &'static str = "nods";
    const ABOUT: &'static str = "Clients nod";
    type Op = Op;
    type Output = ();
    type Session = ();

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Op> {
        Some(Op::Nod)
    }

    async fn perform(_: &mut (), client: &Client, _: &Op) -> Result<(), Error> {
        client.call(Nod {}).await
    }

    fn availability(&self) -> Option<Availability> {
        Some(Availability::Fraction(0.9))
    }

    fn check(&self, _: &History<Op, ()>) -> Verdict {
        Verdict::new(true)
    }
}

#[test]
fn a_workload_says_how_available_nodes_must_be_unless_the_test_does() {
    let nods = || Test::new(Nods).time_limit(secs(5)).seeds(0..2);
    let text = complaint(move || nods().run::<Moody>().assert_valid());
    assert!(text.contains("too few operations succeeded"), "{text}");
    let little = Availability::Fraction(0.4);
    nods().availability(little).run::<Moody>().assert_valid();
}

/// How long each operation took.
fn spans(tested: &Tested) -> Vec<i64> {
    let pairs = tested.run.history.pairs().into_iter();
    let ended = pairs.filter_map(|(begin, end)| Some(end?.time - begin.time));
    ended.collect()
}

#[test]
fn deliveries_take_a_little_time_so_that_operations_overlap() {
    let judged = |most: Duration| {
        let test = parrots().concurrency(10).turn_latency(most);
        test.judge(move |tested| {
            let most = most.as_nanos() as i64;
            let spans = spans(tested);
            assert!(spans.len() > 50);
            assert!(spans.iter().all(|span| (0..=most).contains(span)));
            assert!(spans.iter().any(|span| *span * 2 >= most));
        })
    };
    for most in [ms(0), ms(2), ms(40)] {
        judged(most).run::<Parrot>().assert_valid();
    }
    let text = complaint(|| {
        let test = parrots().judge(|tested| assert!(tested.seed < 3, "too big a seed"));
        test.run::<Parrot>().assert_valid();
    });
    assert!(text.starts_with("echo with seed 3 is invalid"), "{text}");
    assert!(text.contains("\ntoo big a seed\n"), "{text}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let tests = lin_kv()
            .nemesis((Partition, Kill, Loss, Skew))
            .seeds([5])
            .judge(|_| panic!("to see it"))
            .shrink(Duration::ZERO)
            .run::<Store>();
        let Tested { run, results, .. } = tests.refused().unwrap();
        (run.history.to_edn(), results.map.to_string())
    };
    let first = run();
    assert_eq!(first, run());
    assert!(first.0.contains(":kill"), "{}", first.0);
}

// A node that sends what it learns to each other node once.

#[derive(Default)]
struct Flood {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(state: &mut Flood, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages", message = ReadAll)]
fn read_all(state: &Flood) -> BTreeSet<u64> {
    state.messages.clone()
}

#[handler("topology")]
fn topology(_: &Flood, topology: serde_json::Value) {
    drop(topology);
}

fn flood() -> Test {
    Test::new(workload::Broadcast::default())
        .latency(Latency::exponential(ms(20)))
        .nemesis(Partition)
        .rate(10.0)
        .time_limit(secs(20))
}

#[test]
fn a_failing_run_is_made_small_and_its_schedule_fails_again() {
    let tests = flood().run::<Flood>();
    let whole = tests.refused().unwrap().run.schedule.clone();
    assert!(whole.operations.len() > 100, "{}", whole.size());
    let smallest = tests.smallest().unwrap();
    let schedule = smallest.schedule.clone();
    assert!(smallest.is_smallest);
    // What was broadcast to one side of the partition, and nothing else.
    let asked: Vec<&str> = schedule.operations.iter().map(|op| &*op.f).collect();
    assert_eq!(
        (asked.as_slice(), schedule.faults.len()),
        (&["broadcast"][..], 1)
    );
    assert_eq!(schedule.nodes.len(), 2, "{schedule:?}");
    let history = smallest.outcome.run.history.clone();

    let json = schedule.to_json().unwrap();
    let schedule = Schedule::from_json(&json).unwrap();
    let again = || flood().schedule(schedule.clone()).run::<Flood>();
    let tested = again();
    let tested = tested.refused().unwrap();
    assert_eq!(tested.validity(), Validity::False);
    assert_eq!(tested.run.history, history);

    let text = complaint(|| flood().run::<Flood>().assert_valid());
    for part in [
        "\nWhy: value ",
        " operations, 1 fault → 1 operation, 1 fault (",
        "     seconds n",
        " ✗",
        "dropped by a partition",
        "\nOf the whole run:\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn who_wants_no_smaller_run_gets_none() {
    let tests = flood().shrink(Duration::ZERO).run::<Flood>();
    assert!(tests.refused().is_some() && tests.smallest().is_none());
}

#[derive(Default)]
struct Whimsical;

#[handler("generate", reply = "id", message = Whim)]
fn generate(_: &Whimsical) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    next / 2 + 1_000 * (next % 2)
}

#[test]
fn a_seed_that_does_not_fail_in_the_same_way_again_is_told() {
    let ids = || Test::new(UniqueIds).time_limit(secs(10)).seeds([7]);
    let text = complaint(move || {
        let test = ids().judge(|_| panic!("to see it"));
        test.run::<Whimsical>().assert_valid();
    });
    assert!(text.contains("the nodes are not deterministic"), "{text}");
}

#[derive(Default)]
struct PingPong;

#[handler("echo", reply = "echo", message = Ball)]
fn ball(_: &PingPong, cx: &Context, echo: serde_json::Value) -> serde_json::Value {
    for peer in cx.peers() {
        cx.send(peer, Ball { echo: echo.clone() });
    }
    echo
}

#[test]
fn a_storm_without_latency_is_noticed() {
    let storm = || {
        let test = parrots().turn_latency(ms(0)).shrink(Duration::ZERO);
        test.run::<PingPong>()
    };
    let text = complaint(move || storm().assert_valid());
    assert!(
        text.contains("time stands still: n0, n1 keep each other busy without end"),
        "{text}"
    );
}

#[test]
fn options_reach_the_run() {
    let few = parrots()
        .availability(Availability::Fraction(0.5))
        .nemesis(Loss)
        .p_loss(0.2)
        .judge(|tested| {
            let ops = tested.run.history.client_ops();
            let count = ops.filter(|op| op.kind == OpType::Invoke).count();
            assert!((50..200).contains(&count), "{count}");
        });
    few.run::<Parrot>().assert_valid();
    let text = complaint(|| drop(lin_kv().concurrency(5).run::<Store>()));
    assert!(text.contains("lin-kv cannot run so: "), "{text}");
}
