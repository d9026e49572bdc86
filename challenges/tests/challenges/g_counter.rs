use super::*;
use glomer_runtime::sim::{Cluster, Latency, ms, secs};
use glomer_workbench::Tested;
use glomer_workbench::history::OpType;
use glomer_workbench::workload::GCounter;

#[path = "faults.rs"]
mod faults;
use faults::{all, storm};

/// A read knows what was acknowledged a while before it, and nothing that was not begun
/// before its end.
fn assert_reads_are_recent(tested: &Tested) {
    let pairs = tested.run.history.pairs();
    let sum = |counts: &dyn Fn(i64, Option<i64>) -> bool| -> i64 {
        let adds = pairs.iter().filter(|(begin, _)| begin.f == "add");
        let adds = adds.filter(|(begin, end)| {
            let end = end.filter(|end| end.kind == OpType::Ok);
            counts(begin.time, end.map(|end| end.time))
        });
        adds.filter_map(|(begin, _)| begin.value.as_int()).sum()
    };
    let recent = RECENT.as_nanos() as i64;
    for (begin, end) in &pairs {
        let Some(end) = end.filter(|end| end.f == "read" && end.kind == OpType::Ok) else {
            continue;
        };
        let least = sum(&|_, done| done.is_some_and(|done| done + recent < begin.time));
        let most = sum(&|begun, _| begun <= end.time);
        let value = end.value.as_int().unwrap();
        assert!(
            (least..=most).contains(&value),
            "{value}, not {least}..={most}"
        );
    }
}

#[test]
fn reads_are_recent_and_the_last_ones_exact() {
    storm(GCounter, all())
        .tolerate_unknown()
        .judge(assert_reads_are_recent)
        .run::<State>()
        .assert_valid();
}

#[test]
fn one_write_takes_all_adds_that_wait() {
    let mut cluster = Cluster::<State>::new(3)
        .seed(1)
        .latency(Latency::constant(ms(100)))
        .start();
    let before = cluster.traffic();
    let adds: Vec<_> = (0..100)
        .map(|delta| cluster.invoke("n0", Add { delta }))
        .collect();
    cluster.run_for(secs(1));
    assert!(
        adds.into_iter()
            .all(|add| cluster.result(add) == Some(Ok(())))
    );
    // The first add, and then the others.
    assert_eq!(cluster.traffic().since(&before).services.messages, 4);
}
