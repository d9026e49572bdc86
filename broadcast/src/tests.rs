//! The node under faults, in the simulator.

use super::*;
use glomer_runtime::sim::{Program, check};
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
