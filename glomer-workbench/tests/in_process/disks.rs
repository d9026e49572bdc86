//! Disks that fail, lie, are slow and are wiped.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Health, Latency, ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{Op, OpType};
use glomer_workbench::run::engine::Hits;
use glomer_workbench::run::nemesis::{
    Effect, FailingDisk, Fault, Faults, Kill, LyingDisk, Needs, Pause, SlowDisk, Strike, Wipe,
};
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::schedule::Schedule;
use glomer_workbench::verdict::Validity;
use glomer_workbench::workload::GSet;
use glomer_workbench::{Test, Tested};

/// A set that is on the disk before anybody hears of an element.
#[derive(Default)]
struct Kept(BTreeSet<u64>);

#[handler("init")]
fn init(state: &mut Kept, cx: &Context) -> Result<(), Error> {
    let elements = cx.disk().entries("elements", ..)?;
    state.0 = elements.into_iter().map(|(_, element)| element).collect();
    // So that a node whose disk fails stops before it has started.
    cx.disk().put("started", &true);
    Ok(())
}

#[handler("add")]
fn add(state: &mut Kept, cx: &Context, element: u64) {
    if state.0.insert(element) {
        cx.disk().append("elements", &element);
    }
}

#[handler("read", reply = "value")]
fn read(state: &Kept) -> BTreeSet<u64> {
    state.0.clone()
}

/// One node, so that nobody else has what it loses.
fn g_set(faults: impl Into<Faults>) -> Test {
    Test::new(GSet::default())
        .nodes(1)
        .concurrency(2)
        .rate(40.0)
        .nemesis(faults)
        .nemesis_interval(secs(1))
        .time_limit(secs(10))
        .tolerate_unknown()
        .seeds(0..20)
}

/// Runs it, and adds up what the faults hit.
fn hits(test: Test) -> Hits {
    let sum = Arc::new(Mutex::new(Hits::default()));
    let hits = sum.clone();
    let test = test.judge(move |tested| *hits.lock().unwrap() += tested.run.hits);
    test.run::<Kept>().assert_valid();
    *sum.lock().unwrap()
}

#[test]
fn a_node_keeps_what_it_acknowledged_whatever_its_disk_does_short_of_lying() {
    let told = Arc::new(AtomicU64::new(0));
    let seen = told.clone();
    let hits = hits(
        g_set((FailingDisk, SlowDisk, Kill, Pause)).judge(move |tested| {
            for lines in &tested.run.node_errors.others {
                assert!(
                    lines.tail[0].contains("the disk has failed; the node stops"),
                    "{lines:?}"
                );
                seen.fetch_add(lines.count, Ordering::Relaxed);
            }
        }),
    );
    assert!(hits.stopped > 20 && hits.disks > 100, "{hits}");
    assert_eq!(told.load(Ordering::Relaxed), hits.stopped, "one word each");
    let text = format!(
        "{} disks failing, lying or slow ({} nodes stopped)",
        hits.disks, hits.stopped
    );
    assert!(hits.to_string().ends_with(&text), "{hits}");
}

/// How long an operation took at most.
fn slowest(faults: impl Into<Faults>) -> Duration {
    let slowest = Arc::new(AtomicI64::new(0));
    let seen = slowest.clone();
    let test = g_set(faults).judge(move |tested| {
        let ops: Vec<&Op> = tested.run.history.client_ops().collect();
        for (place, begun) in ops.iter().enumerate() {
            let mut later = ops[place + 1..].iter();
            if begun.kind == OpType::Invoke
                && let Some(ended) = later.find(|op| op.process == begun.process)
            {
                seen.fetch_max(ended.time - begun.time, Ordering::Relaxed);
            }
        }
    });
    hits(test);
    Duration::from_nanos(slowest.load(Ordering::Relaxed).unsigned_abs())
}

#[test]
fn answers_wait_for_a_slow_disk() {
    let (well, slow) = (slowest(Faults::none()), slowest(SlowDisk));
    assert!(well < ms(50) && slow > ms(400), "{well:?} and {slow:?}");
}

#[test]
fn a_lying_disk_is_harmless_until_its_node_is_killed_and_then_loses_what_was_acknowledged() {
    hits(g_set(LyingDisk));
    let tests = g_set((LyingDisk, Kill)).run::<Kept>();
    let refused = tests.refused().unwrap();
    assert_eq!(refused.validity(), Validity::False);
    assert!(refused.figure("lost-count") > Some(&Edn::Int(0)));

    let smallest = tests.smallest().unwrap();
    let faults = smallest.schedule.faults.iter();
    let faults: Vec<&str> = faults.map(|planned| &*planned.fault).collect();
    assert_eq!(faults, ["lying-disk", "kill"]);
    let json = smallest.schedule.to_json().unwrap();
    assert!(
        json.contains(r#""effects":[{"disk-health":["n0","lying"]}]"#),
        "{json}"
    );
    let schedule = Schedule::from_json(&json).unwrap();
    let again = g_set(Faults::none()).schedule(schedule);
    // A schedule names its faults, and these are not among those that the command knows.
    let again = again.nemesis((LyingDisk, Kill)).run::<Kept>();
    assert_eq!(again.refused().map(Tested::validity), Some(Validity::False));
}

/// The disk of the first node is slow and fails after all.
#[derive(Debug)]
struct DyingDisk;

impl Fault for DyingDisk {
    fn name(&self) -> &str {
        "dying-disk"
    }

    fn about(&self) -> &str {
        "the first node's disk dies slowly"
    }

    fn needs(&self) -> Needs {
        Needs::NodesInProcess
    }

    fn begin(&self, _: &Plan, _: &Rng) -> Strike {
        let slow = Latency::constant(ms(500));
        Strike {
            value: Edn::Nil,
            effects: vec![
                Effect::DiskLatency(0, slow),
                Effect::DiskHealth(0, Health::Failing),
            ],
            done: None,
        }
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike {
            value: Edn::Nil,
            effects: vec![
                Effect::Wipe(0),
                Effect::DiskLatency(0, plan.disk_latency),
                Effect::DiskHealth(0, Health::Well),
                Effect::Start(0),
            ],
            done: None,
        }
    }
}

#[test]
fn a_fault_of_ones_own_can_do_all_that_disks_suffer() {
    let tests = g_set(DyingDisk).run::<Kept>();
    let tested = tests.refused().unwrap();
    assert_eq!(tested.validity(), Validity::False);
    let hits = tested.run.hits;
    assert!(hits.stopped > 0 && hits.wiped > 0, "{hits}");
}

#[test]
fn wipes_are_counted() {
    let wiped = |tested: &Tested| {
        let Hits { wiped, killed, .. } = tested.run.hits;
        assert!(wiped > 0 && wiped == killed, "{wiped} of {killed}");
        assert!(
            tested
                .run
                .hits
                .to_string()
                .contains(&format!(" {wiped} disks wiped"))
        );
    };
    super::parrots()
        .nodes(3)
        .nemesis(Wipe)
        .judge(wiped)
        .run::<super::Parrot>()
        .assert_valid();
}
