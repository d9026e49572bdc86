use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{Cluster, Latency, Operation, check, ms, secs};
use std::collections::BTreeSet;

#[path = "faults.rs"]
mod faults;
use faults::{ALL, Faults};

fn delta(operation: &Operation) -> u64 {
    operation.request::<Add>().map_or(0, |add| add.delta)
}

/// The sum of the adds that fulfil the condition.
fn sum(history: &[Operation], which: impl Fn(&Operation) -> bool) -> u64 {
    let adds = history.iter().filter(|operation| which(operation));
    adds.map(delta).sum()
}

fn acknowledged(operation: &Operation) -> bool {
    matches!(operation.result, Some(Ok(_)))
}

/// Every value the counter may have, since an add without an answer may have
/// happened.
fn possible_sums(history: &[Operation]) -> BTreeSet<u64> {
    let mut sums = BTreeSet::from([sum(history, acknowledged)]);
    for unsure in history.iter().filter(|operation| !acknowledged(operation)) {
        let more: Vec<u64> = sums.iter().map(|sum| sum + delta(unsure)).collect();
        sums.extend(more);
    }
    sums
}

#[test]
fn reads_are_recent_and_the_last_ones_exact() {
    check(0..100, |seed| {
        let mut cluster = Cluster::<State>::new(3)
            .seed(seed)
            .latency(Latency::exponential(ms(20)))
            .start();
        let mut faults = Faults::new(seed, ALL);
        let rng = Rng::seeded(seed);
        for _ in 0..200 {
            faults.stir(&mut cluster);
            let node = faults.node(&cluster);
            if rng.chance(0.5) {
                _ = cluster.invoke(
                    &node,
                    Add {
                        delta: rng.below(5),
                    },
                )
            } else {
                _ = cluster.invoke(&node, Read {})
            }
            cluster.run_for(ms(rng.below(40)));
        }
        faults.end(&mut cluster);
        cluster.run_for(secs(10));

        let history = cluster.history();
        for read in history {
            if let Some(Ok(value)) = read.reply::<Read>() {
                let least = sum(history, |add| {
                    let done = add.completed.is_some_and(|at| at + RECENT < read.invoked);
                    acknowledged(add) && done
                });
                let most = sum(history, |add| Some(add.invoked) <= read.completed);
                assert!(
                    (least..=most).contains(&value),
                    "{read:?}: {least}..={most}"
                );
            }
        }
        let possible = possible_sums(history);
        for node in ["n0", "n1", "n2"] {
            let value = cluster.call(node, Read {}).unwrap();
            assert!(
                possible.contains(&value),
                "{value} on {node}, not one of {possible:?}"
            );
        }
    });
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
