//! The workbench's workloads on a live cluster.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Asker, Output, Running, Server, carriers};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn start(server: &Server, arguments: &[&str]) -> Vec<Running> {
    let node = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nats/nodes/broadcast.py");
    carriers(server, &NODES, &[&["python3", node], arguments].concat())
}

/// Broadcasts while the network is cut; gives what the command told, and the results.
fn broadcast(server: &Server, more: &[&str]) -> (Output, TempDir, Value) {
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
        "broadcast",
        "--rate",
        "20",
        "--time-limit",
        "3",
        "--seed",
        "1",
    ];
    let faults = [
        "--nemesis",
        "partition",
        "--nemesis-interval",
        "1",
        "--recovery-time",
        "1",
    ];
    let output = Output::of(&[&place[..], &workload, &faults, more].concat());
    let results = store.path().join("latest/results.json");
    let results = fs::read(results).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, store, serde_json::from_slice(&results).unwrap())
}

#[test]
fn a_node_that_tells_again_loses_nothing_to_a_partition() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = start(&server, &[]);
    let client = Asker::new(&server);
    // What an earlier run left is not there any more.
    client.call("n1", &json!({"type": "broadcast", "message": 1_000_000}));
    let (output, store, results) = broadcast(&server, &[]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(results["valid?"], true);
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
    while !client
        .call("n3", &json!({"type": "read"}))
        .to_string()
        .contains("1000001")
    {}
}

#[test]
fn what_the_partition_took_from_a_node_that_tells_once_is_told() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = start(&server, &["once"]);
    let (output, _store, results) = broadcast(&server, &[]);
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
