use super::*;
use glomer_runtime::sim::{Cluster, Latency, Program, ms, secs};
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

/// What a node knows, without asking lin-kv, after all were killed at once: the offset that was
/// committed, and the number of messages.
fn killed(seed: u64, program: Program) -> (u64, usize) {
    let mut cluster = Cluster::<State>::new(2)
        .seed(seed)
        .latency(Latency::exponential(ms(10)))
        .program("n0", program.clone())
        .program("n1", program)
        .start();
    for number in 0..8 {
        let (key, msg) = ("k".to_owned(), number.into());
        cluster.call("n1", Send { key, msg }).unwrap();
    }
    let offsets = [("k".to_owned(), 7)].into();
    cluster.call("n1", CommitOffsets { offsets }).unwrap();
    for node in ["n0", "n1"] {
        cluster.crash(node);
    }
    cluster.partition(["n0", "n1"], ["lin-kv"]);
    for node in ["n0", "n1"] {
        cluster.restart(node);
    }
    let keys = vec!["k".to_owned()];
    let listed = cluster.call("n1", ListCommittedOffsets { keys }).unwrap();
    let offsets = [("k".to_owned(), 0)].into();
    let msgs = cluster.call("n1", Poll { offsets }).unwrap();
    let known = msgs.get("k").map_or(0, Vec::len);
    (listed.get("k").copied().unwrap_or(0), known)
}

#[test]
fn no_acknowledged_commit_is_lost_when_all_nodes_are_killed() {
    for seed in 0..20 {
        let (committed, known) = killed(seed, Program::of::<State>());
        assert_eq!(committed, 7, "seed {seed}");
        assert!(known > 0, "seed {seed}");
    }
}

#[test]
fn without_a_disk_commits_are_lost() {
    for seed in 0..20 {
        let program = Program::of::<State>().in_memory();
        assert_eq!(killed(seed, program), (0, 0), "seed {seed}");
    }
}
