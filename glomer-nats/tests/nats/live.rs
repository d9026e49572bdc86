//! The workbench's workloads on a live cluster.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Asker, Output, PLAIN, Running, Server, carrier, carriers, example, until};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn start(server: &Server, arguments: &[&str]) -> Vec<Running> {
    let node = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nats/nodes/broadcast.py");
    carriers(server, &NODES, &[&["python3", node], arguments].concat())
}

/// Runs a workload; gives what the command told, what it kept, and the results.
fn tested(server: &Server, workload: &str, more: &[&str]) -> (Output, TempDir, Value) {
    let store = TempDir::new().unwrap();
    let (dir, url) = (store.path().to_str().unwrap(), server.url());
    let place = [
        "test",
        "--server",
        &url,
        "--cluster",
        "test",
        "--store",
        dir,
    ];
    let workload = [
        "-w",
        workload,
        "--rate",
        "20",
        "--time-limit",
        "3",
        "--seed",
        "1",
    ];
    let times = ["--nemesis-interval", "1", "--recovery-time", "1"];
    let output = Output::of(&[&place[..], &workload, &times, more].concat());
    let results = store.path().join("latest/results.json");
    let results = fs::read(results).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, store, serde_json::from_slice(&results).unwrap())
}

/// What cuts the network now and then.
const PARTITION: [&str; 2] = ["--nemesis", "partition"];

#[test]
fn a_node_that_tells_again_loses_nothing_to_a_partition() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = start(&server, &[]);
    let client = Asker::new(&server);
    // What an earlier run left is not there any more.
    client.call("n1", &json!({"type": "broadcast", "message": 1_000_000}));
    let (output, store, results) = tested(&server, "broadcast", &PARTITION);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(results["valid?"], true);
    assert!(!output.stderr.contains("on the disk"), "{output:?}");
    // What carriers noted is counted, and on the page.
    let servers = &results["net"]["servers"];
    assert!(servers["recv-count"].as_u64().unwrap() > 0, "{results}");
    let page = fs::read_to_string(store.path().join("latest/index.html")).unwrap();
    assert!(page.contains("learn_ok"));
    // Nothing is broken any more, and nothing noted.
    let read = client.call("n2", &json!({"type": "read"}));
    let messages = read["messages"].as_array().unwrap();
    assert!(!messages.is_empty() && !messages.contains(&json!(1_000_000)));
    client.call("n1", &json!({"type": "broadcast", "message": 1_000_001}));
    client.call("n1", &json!({"type": "read"}));
    until("told", || {
        let read = client.call("n3", &json!({"type": "read"}));
        read.to_string().contains("1000001")
    });
}

#[test]
fn what_the_partition_took_from_a_node_that_tells_once_is_told() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = start(&server, &["once"]);
    let (output, _store, results) = tested(&server, "broadcast", &PARTITION);
    assert_eq!(output.code, 1, "{output:?}");
    assert_eq!(results["valid?"], false);
    assert!(
        results["workload"]["lost-count"].as_u64().unwrap() > 0,
        "{results}"
    );
    assert!(output.stdout.contains("is lost."), "{output:?}");
    assert!(output.stdout.contains("the partition of"), "{output:?}");
}

#[test]
fn a_node_that_keeps_what_it_was_told_in_seq_kv_may_be_killed() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    let services = Running::start(&["services", "--server", &url, "--cluster", "test"]);
    services.tells("the services of the cluster test run");
    let node = example("g-counter-node");
    let _nodes = carriers(&server, &NODES, &[node.to_str().unwrap()]);
    // What an earlier run left goes.
    let client = Asker::new(&server);
    client.call("lin-kv", &json!({"type": "write", "key": "x", "value": 1}));
    let more = ["--nemesis", "kill,partition", "--fresh"];
    let (output, store, results) = tested(&server, "g-counter", &more);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(results["valid?"], true);
    let page = fs::read_to_string(store.path().join("latest/index.html")).unwrap();
    assert!(page.contains("seq-kv"));
    let read = client.call("lin-kv", &json!({"type": "read", "key": "x"}));
    assert_eq!(read["code"], 20);
    // What this run left is told by the next one that leaves it.
    let (output, ..) = tested(&server, "echo", &["--time-limit", "1"]);
    let told = "glomer-test-seq-kv holds what was written before this run";
    assert!(output.stderr.contains(told), "{output:?}");
}

/// The nodes of the challenges, as they are.
#[test]
#[ignore = "two minutes, after cargo build -p challenges --examples"]
fn the_challenges_are_met_over_nats() {
    let available = [
        "--consistency-models",
        "read-committed",
        "--availability",
        "total",
    ];
    // With other seeds, three kinds of faults may leave it no majority for as long as they last;
    // in virtual time, too.
    let raft = ["--concurrency", "4n", "--seed", "6"];
    let workloads = [
        ("echo", "echo", "partition", &[][..]),
        ("broadcast", "broadcast-node", "partition,kill", &[]),
        ("unique-ids", "unique_ids", "partition", &[][..]),
        ("g-set", "g_set", "partition", &[][..]),
        ("g-counter", "g_counter", "partition,kill", &[][..]),
        ("pn-counter", "pn_counter", "partition", &[][..]),
        ("kafka", "kafka", "partition,pause", &[][..]),
        ("kafka", "kafka_efficient", "partition,pause", &[][..]),
        (
            "txn-rw-register",
            "txn_rw_register",
            "partition",
            &available,
        ),
        ("lin-kv", "lin_kv", "partition,kill,pause", &raft),
    ];
    for (workload, name, faults, options) in workloads {
        let Some(server) = Server::start() else {
            return;
        };
        let url = server.url();
        let services = Running::start(&["services", "--server", &url, "--cluster", "test"]);
        services.tells("the services of the cluster test run");
        let node = example(name);
        // Each has a disk of its own, if it wants one.
        let disks = TempDir::new().unwrap();
        let start = |id: &&str| {
            let disk = format!("GLOMER_DISK={}", disks.path().join(id).display());
            let program = ["env", &disk, node.to_str().unwrap()];
            carrier(&server, id, &NODES.join(","), &[], &program)
        };
        let nodes: Vec<Running> = NODES.iter().map(start).collect();
        for (node, id) in nodes.iter().zip(NODES) {
            node.tells(&format!("{id} is ready"));
        }
        let mut more = vec!["--nemesis", faults, "--time-limit", "10"];
        more.extend(options);
        let (output, _store, results) = tested(&server, workload, &more);
        println!("{name}: {} {}", results["valid?"], results["stats"]);
        assert_eq!(output.code, 0, "{name}: {output:?}");
    }
}

#[test]
fn a_cluster_that_nobody_carries_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    let output = Output::of(&[
        "test",
        "-w",
        "broadcast",
        "--server",
        &url,
        "--cluster",
        "none",
    ]);
    assert_eq!(output.code, 255, "{output:?}");
    let named = "nobody carries a node of the cluster none";
    assert!(output.stderr.contains(named), "{output:?}");
}

#[test]
fn what_is_for_nodes_of_the_workbench_is_refused() {
    for more in [["--clock", "virtual"], ["--bin", "node"], ["--rate", "x"]] {
        let output = Output::of(&[&["test", "--server", "127.0.0.1:1"][..], &more].concat());
        assert_eq!(output.code, 255, "{output:?}");
        assert!(output.stderr.contains(more[0]), "{output:?}");
    }
}

#[test]
fn nodes_that_are_not_to_be_broken_are_not() {
    let Some(server) = Server::start() else {
        return;
    };
    let node = carrier(&server, "n1", "n1", &["--no-faults"], &PLAIN);
    node.tells("n1 is ready");
    let store = TempDir::new().unwrap();
    let (dir, url) = (store.path().to_str().unwrap(), server.url());
    let place = ["--server", &url, "--cluster", "test", "--store", dir];
    let output = Output::of(&[&["test", "-w", "echo"][..], &place].concat());
    assert_eq!(output.code, 255, "{output:?}");
    assert!(output.stderr.contains("--no-faults"), "{output:?}");
}
