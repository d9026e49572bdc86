use super::*;
use glomer_runtime::sim::{self, Cluster, Latency, Program, check, ms, secs};
use glomer_workbench::Test;
use glomer_workbench::run::nemesis::{Faults, Kill, Partition, Pause, Wipe};
use glomer_workbench::workload::LinKv;
use serde_json::json;

#[path = "faults.rs"]
mod faults;
use faults::{all, network, storm};

fn cluster(nodes: usize, seed: u64) -> Cluster<Raft> {
    let latency = Latency::exponential(ms(10));
    Cluster::new(nodes)
        .seed(seed)
        .latency(latency)
        .timeout(secs(4))
        .start()
}

fn succeeded(cluster: &Cluster<Raft>) -> usize {
    let done = |operation: &&sim::Operation| matches!(operation.result, Some(Ok(_)));
    cluster.history().iter().filter(done).count()
}

#[test]
fn linearizable_on_a_bad_network() {
    for nodes in [3, 5] {
        storm(LinKv::default(), network())
            .nodes(nodes)
            .run::<Raft>()
            .assert_valid();
    }
}

#[test]
fn linearizable_with_nodes_that_stop_and_start_anew() {
    storm(LinKv::default(), all())
        .tolerate_unknown()
        .run::<Raft>()
        .assert_valid();
}

/// Any nodes are killed, and all at once, while others are paused or cut off.
fn killed() -> Test {
    storm(LinKv::default(), (Kill, Pause, Partition).into()).tolerate_unknown()
}

#[test]
fn linearizable_whichever_nodes_are_killed() {
    killed().run::<Raft>().assert_valid();
}

/// A node that has lost its disk knows nothing; it must not vote as if it had known nothing.
#[test]
fn linearizable_with_disks_that_lose_everything() {
    let faults: Faults = (Kill, Wipe, Partition).into();
    storm(LinKv::default(), faults)
        .tolerate_unknown()
        .run::<Raft>()
        .assert_valid();
}

/// What a cluster answers whose nodes were all killed at once, if the key was written before.
fn all_killed(seed: u64, program: Program) -> Vec<Result<Value, Error>> {
    let nodes = ["n0", "n1", "n2"];
    let mut cluster = Cluster::<Raft>::new(3)
        .seed(seed)
        .latency(Latency::exponential(ms(10)))
        .disk_latency(Latency::exponential(ms(2)));
    for node in nodes {
        cluster = cluster.program(node, program.clone());
    }
    let mut cluster = cluster.start();
    cluster.run_for(secs(2));
    // More than is kept of the log, now and then.
    for number in 0..if seed.is_multiple_of(10) { 2500 } else { 5 } {
        let (key, value) = (json!(number % 10), json!(number));
        _ = cluster.invoke("n0", Write { key, value });
        cluster.run_for(ms(2));
    }
    let (key, value) = (json!("kept"), json!(seed));
    assert_eq!(cluster.call("n1", Write { key, value }), Ok(()));
    for node in nodes {
        cluster.crash(node);
    }
    for node in nodes {
        cluster.restart(node);
    }
    cluster.run_for(secs(5));
    let read = |node| {
        let key = json!("kept");
        cluster.call(node, Read { key })
    };
    nodes.into_iter().map(read).collect()
}

#[test]
fn all_nodes_may_be_killed_at_once() {
    check(0..50, |seed| {
        let answers = all_killed(seed, Program::of::<Raft>());
        assert_eq!(answers, vec![Ok(json!(seed)); 3]);
    });
}

#[test]
fn without_a_disk_they_must_not() {
    for seed in 0..50 {
        let answers = all_killed(seed, Program::of::<Raft>().in_memory());
        assert!(
            answers.iter().all(Result::is_err),
            "seed {seed}: {answers:?}"
        );
    }
}

#[test]
fn available_after_a_partition() {
    check(0..20, |seed| {
        let mut cluster = cluster(3, seed);
        cluster.run_for(secs(2));
        cluster.partition(["n0"], ["n1", "n2"]);
        cluster.run_for(secs(5));
        cluster.heal();
        cluster.run_for(secs(5));
        for node in ["n0", "n1", "n2"] {
            let (key, value) = (json!("last"), json!(7));
            assert_eq!(
                cluster.call(
                    node,
                    Write {
                        key: key.clone(),
                        value
                    }
                ),
                Ok(()),
                "{node}"
            );
            assert_eq!(cluster.call(node, Read { key }), Ok(json!(7)), "{node}");
        }
    });
}

#[test]
fn every_node_may_lose_its_disk_one_after_the_other() {
    check(0..20, |seed| {
        let mut cluster = cluster(3, seed);
        let key = json!("kept");
        cluster.run_for(secs(2));
        let value = json!(seed);
        assert_eq!(
            cluster.call(
                "n0",
                Write {
                    key: key.clone(),
                    value
                }
            ),
            Ok(())
        );
        for node in ["n0", "n1", "n2", "n0", "n1", "n2"] {
            cluster.wipe(node);
            cluster.restart(node);
            cluster.run_for(secs(5));
            assert_eq!(
                cluster.call(node, Read { key: key.clone() }),
                Ok(json!(seed))
            );
        }
    });
}

#[test]
fn a_majority_that_lost_its_disks_does_not_invent_a_past() {
    check(0..20, |seed| {
        let mut cluster = cluster(3, seed);
        let key = json!("kept");
        cluster.run_for(secs(2));
        assert_eq!(
            cluster.call(
                "n0",
                Write {
                    key: key.clone(),
                    value: json!(1)
                }
            ),
            Ok(())
        );
        for node in ["n1", "n2"] {
            cluster.wipe(node);
            cluster.restart(node);
        }
        cluster.run_for(secs(10));
        for node in ["n0", "n1", "n2"] {
            // There is nobody who can know.
            let answer = cluster.call(node, Read { key: key.clone() });
            assert!(answer.is_err(), "{node}: {answer:?}");
        }
    });
}

#[test]
fn who_was_away_for_long_gets_the_store_instead_of_the_log() {
    let mut cluster = cluster(3, 1);
    cluster.run_for(secs(2));
    cluster.pause("n2");
    for number in 0..3000 {
        let (key, value) = (json!(number % 10), json!(number));
        _ = cluster.invoke("n0", Write { key, value });
        cluster.run_for(ms(5));
    }
    cluster.run_for(secs(5));
    cluster.resume("n2");
    cluster.run_for(secs(5));
    assert!(cluster.traffic().by_type.contains_key("install"));
    // Now it is needed for a majority.
    cluster.crash("n1");
    cluster.run_for(secs(5));
    assert_eq!(cluster.call("n2", Read { key: json!(9) }), Ok(json!(2999)));
    assert_eq!(succeeded(&cluster), 3001);
}

#[test]
fn many_requests_share_a_message() {
    let mut cluster = Cluster::<Raft>::new(3)
        .seed(1)
        .latency(Latency::constant(ms(50)))
        .start();
    cluster.run_for(secs(3));
    let before = cluster.traffic();
    for number in 0..1000 {
        let (key, value) = (json!(number), json!(number));
        _ = cluster.invoke("n0", Write { key, value });
    }
    cluster.run_for(secs(1));
    assert_eq!(succeeded(&cluster), 1000);
    let appends = cluster.traffic().since(&before).by_type["append"];
    assert!(appends.messages < 40, "{appends:?}");
}
