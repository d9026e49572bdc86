use super::*;
use glomer_runtime::sim::{Cluster, Latency, ms, secs};
use glomer_workbench::workload::Kafka;

#[path = "faults.rs"]
mod faults;
use faults::{all, storm};

#[test]
fn logs_keep_every_message_in_its_place_whatever_happens() {
    storm(Kafka::default(), all())
        .tolerate_unknown()
        .concurrency(6)
        .run::<State>()
        .assert_valid();
}

#[test]
fn commits_reach_every_node_sooner_or_later() {
    let mut cluster = Cluster::<State>::new(3)
        .latency(Latency::exponential(ms(10)))
        .start();
    for number in 0..8 {
        let (key, msg) = ("k".to_owned(), number.into());
        cluster.call("n1", Send { key, msg }).unwrap();
    }
    let offsets = [("k".to_owned(), 7)].into();
    cluster.call("n1", CommitOffsets { offsets }).unwrap();
    cluster.run_for(secs(10));
    for node in ["n0", "n1", "n2"] {
        let keys = vec!["k".to_owned()];
        let listed = cluster.call(node, ListCommittedOffsets { keys });
        assert_eq!(listed, Ok([("k".to_owned(), 7)].into()), "{node}");
    }
}
