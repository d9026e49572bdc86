//! The node under faults, in the simulator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use glomer_runtime::sim::{Delivery, Program, check};
use glomer_workbench::Test;
use glomer_workbench::run::nemesis::{
    FailingDisk, Kill, Loss, OneWayPartition, Partition, Pause, SlowDisk,
};
use glomer_workbench::workload;
// As the README has it.
use glomer_runtime::sim::{Cluster, Latency, ms, secs};

#[test]
fn survives_a_partition() {
    let mut cluster = Cluster::<State>::new(5)
        .seed(42)
        .latency(Latency::constant(ms(100)))
        .start();
    cluster.partition(["n0", "n1"], ["n2", "n3", "n4"]);
    cluster.call("n0", Broadcast { message: 7 }).unwrap();
    cluster.run_for(secs(5));
    cluster.heal();
    cluster.run_for(secs(5));
    assert!(cluster.call("n4", Read {}).unwrap().contains(&7));
}

/// What was acknowledged and is missing in the end, when all nodes are killed at once, again
/// and again, while values come.
fn lost(seed: u64, program: Program) -> Vec<u64> {
    let mut cluster = Cluster::<State>::new(5)
        .seed(seed)
        .latency(Latency::exponential(ms(50)))
        .disk_latency(Latency::exponential(ms(2)));
    for node in NODES {
        cluster = cluster.program(node, program.clone());
    }
    let mut cluster = cluster.start();
    let mut asked = Vec::new();
    for round in 0..3 {
        for number in 0..20 {
            let message = 20 * round + number;
            let node = NODES[number as usize % NODES.len()];
            asked.push((message, cluster.invoke(node, Broadcast { message })));
            cluster.run_for(ms(7));
        }
        cluster.run_for(ms(seed % 50));
        for node in NODES {
            cluster.crash(node);
        }
        for node in NODES {
            cluster.restart(node);
        }
    }
    cluster.run_for(secs(20));
    let kept = NODES.map(|node| cluster.call(node, Read {}).unwrap());
    let acknowledged = asked.iter().filter(|(_, asked)| {
        let answer = cluster.result(*asked);
        answer.is_some_and(|answer| answer.is_ok())
    });
    acknowledged
        .map(|(message, _)| *message)
        .filter(|message| kept.iter().any(|kept| !kept.contains(message)))
        .collect()
}

const NODES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];

#[test]
fn nothing_acknowledged_is_lost_when_all_nodes_are_killed_at_once() {
    check(0..100, |seed| {
        assert_eq!(lost(seed, Program::of::<State>()), [0; 0]);
    });
}

#[test]
fn without_a_disk_it_is() {
    for seed in 0..10 {
        let lost = lost(seed, Program::of::<State>().in_memory());
        assert!(!lost.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_others_told_is_on_the_disk_within_a_second() {
    let mut cluster = Cluster::<State>::new(3)
        .latency(Latency::constant(ms(50)))
        .start();
    cluster.call("n0", Broadcast { message: 7 }).unwrap();
    cluster.run_for(ms(1500));
    cluster.partition(["n2"], ["n0", "n1"]);
    cluster.crash("n2");
    cluster.restart("n2");
    assert_eq!(cluster.call("n2", Read {}), Ok(vec![7]));
}

/// How long a disk takes.
const SYNC: Duration = ms(10);

/// Messages an operation, and how long it took in milliseconds until all nodes told of a value,
/// mostly and at most: broadcast with 25 nodes, as in challenges 3d and 3e.
fn broadcast_costs(program: fn() -> Program) -> [f64; 3] {
    let told = Arc::new(Mutex::new([0.0; 3]));
    let figures = told.clone();
    Test::new(workload::Broadcast::default())
        .nodes(25)
        .rate(100.0)
        .latency(Latency::constant(ms(100)))
        .delivery(Delivery::InTurn)
        .disk_latency(Latency::constant(SYNC))
        .time_limit(secs(10))
        .seeds([1])
        .judge(move |tested| {
            let results = serde_json::to_value(&tested.results.map).unwrap();
            let stable = &results["workload"]["stable-latencies"];
            let all = [
                &results["net"]["servers"]["msgs-per-op"],
                &stable["0.5"],
                &stable["1"],
            ];
            *figures.lock().unwrap() =
                all.map(|figure| figure.as_f64().unwrap_or_else(|| panic!("{results}")));
        })
        .run_programs(|_| program())
        .assert_valid();
    *told.lock().unwrap()
}

#[test]
fn a_disk_costs_broadcast_no_messages_and_at_most_two_syncs() {
    let disk = broadcast_costs(Program::of::<State>);
    let memory = broadcast_costs(|| Program::of::<State>().in_memory());
    let syncs = 2.0 * SYNC.as_secs_f64() * 1e3;
    let may = [1.05 * memory[0], memory[1] + syncs, memory[2] + syncs];
    let is_within = disk.iter().zip(may).all(|(cost, may)| *cost <= may);
    assert!(is_within, "{disk:?} and {memory:?}");
}

#[test]
fn broadcast_loses_nothing_whatever_happens_to_nodes_and_disks_that_do_not_lie() {
    let storm = || {
        Test::new(workload::Broadcast::default())
            .nodes(5)
            .rate(20.0)
            .latency(Latency::exponential(ms(50)))
            .nemesis((
                Kill,
                Pause,
                Partition,
                OneWayPartition,
                Loss,
                FailingDisk,
                SlowDisk,
            ))
            .nemesis_interval(secs(3))
            .p_loss(0.2)
            .time_limit(secs(20))
            .seeds(0..5)
            .tolerate_unknown()
    };
    storm().run::<State>().assert_valid();
    let forgetful = storm().shrink(Duration::ZERO);
    let tests = forgetful.run_programs(|_| Program::of::<State>().in_memory());
    assert!(tests.refused().is_some(), "{tests}");
}
