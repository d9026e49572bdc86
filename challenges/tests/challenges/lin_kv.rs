use super::*;
use glomer_runtime::sim::{self, Cluster, Latency, check, ms, secs};
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

/// A node that started anew knows nothing; it must not vote as if it had known nothing.
#[test]
fn linearizable_with_nodes_that_stop_and_start_anew() {
    storm(LinKv::default(), all())
        .tolerate_unknown()
        .run::<Raft>()
        .assert_valid();
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
fn every_node_may_start_anew_one_after_the_other() {
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
fn a_majority_that_starts_anew_does_not_invent_a_past() {
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
        cluster.restart("n1");
        cluster.restart("n2");
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
