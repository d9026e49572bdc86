use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{Cluster, Latency, check, ms, secs};
use glomer_workbench::checker::Availability;
use glomer_workbench::workload::TxnRwRegister;

#[path = "faults.rs"]
mod faults;
use faults::{network, storm};

const KEYS: u64 = 5;

/// Some reads and some writes of values that nobody else writes.
fn random_txn(rng: &Rng, next: &mut u64) -> Txn {
    let mut txn = Vec::new();
    for _ in 0..rng.range(1..5) {
        let key = rng.below(KEYS);
        txn.push(if rng.chance(0.5) {
            (Kind::Read, key, None)
        } else {
            *next += 1;
            (Kind::Write, key, Some(*next))
        });
    }
    Txn { txn }
}

/// What a node has in all registers.
fn read_all(cluster: &mut Cluster<State>, node: &str) -> Vec<Option<u64>> {
    let txn = (0..KEYS).map(|key| (Kind::Read, key, None)).collect();
    let answer = cluster.call(node, Txn { txn }).unwrap();
    answer.into_iter().map(|(_, _, value)| value).collect()
}

#[test]
fn read_committed_and_available_on_a_bad_network() {
    storm(TxnRwRegister::default(), network())
        .consistency_models(["read-committed".parse().unwrap()])
        .availability(Availability::Total)
        .run::<State>()
        .assert_valid();
}

#[test]
fn all_nodes_agree_in_the_end_even_if_one_started_anew() {
    check(0..100, |seed| {
        let mut cluster = Cluster::<State>::new(3)
            .seed(seed)
            .latency(Latency::exponential(ms(20)))
            .start();
        cluster.set_loss(0.2);
        cluster.set_duplicate(0.3);
        let rng = Rng::seeded(!seed);
        let mut next = 0;
        for number in 0..250 {
            let node = format!("n{}", rng.below(3));
            match number {
                50 => cluster.partition(["n0"], ["n1", "n2"]),
                100 => cluster.restart("n2"),
                150 => cluster.partition_one_way(["n1"], ["n2"]),
                200 => cluster.heal(),
                _ => cluster
                    .call(&node, random_txn(&rng, &mut next))
                    .map(drop)
                    .unwrap(),
            }
            cluster.run_for(ms(rng.below(40)));
        }
        cluster.set_loss(0.0);
        assert!(cluster.run_until_quiet(secs(20)), "there is no end to it");
        let [first, others @ ..] = ["n0", "n1", "n2"].map(|node| read_all(&mut cluster, node));
        for other in others {
            assert_eq!(first, other);
        }
        assert!(first.iter().any(Option::is_some), "there is nothing left");
    });
}

#[test]
fn a_long_partition_costs_no_more_than_the_registers() {
    let mut cluster = Cluster::<State>::new(2).seed(1).start();
    cluster.run_for(secs(3));
    cluster.partition(["n0"], ["n1"]);
    for value in 0..1000 {
        let txn = vec![(Kind::Write, value % KEYS, Some(value))];
        cluster.call("n0", Txn { txn }).unwrap();
        cluster.run_for(ms(10));
    }
    cluster.heal();
    let before = cluster.traffic();
    cluster.run_for(secs(5));
    let cost = cluster.traffic().since(&before).servers;
    assert!(cost.messages <= 4 && cost.bytes < 2000, "{cost:?}");
    assert_eq!(read_all(&mut cluster, "n0"), read_all(&mut cluster, "n1"));
}
