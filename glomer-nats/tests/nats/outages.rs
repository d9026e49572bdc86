//! What is lost, and what is not, when the server goes away, or a node does not keep up.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use glomer_nats::control::{Reply, Request};
use serde_json::json;

use crate::support::{Asker, PLAIN, Running, Server, carrier, carriers, example, free_port, until};

/// The most memory that a process has had, in MiB.
fn peak(process: &Running) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

#[test]
fn what_broadcast_acknowledged_outlives_the_server() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let program = example("broadcast-node");
    let names = ["n1", "n2", "n3"];
    let nodes = carriers(&server, &names, &[program.to_str().unwrap()]);
    let (acknowledged, acknowledgements) = mpsc::channel();
    let client = Asker::new(&server);
    let load = thread::spawn(move || {
        // Until nobody listens.
        for value in 0_u64.. {
            let node = names[value as usize % names.len()];
            let body = json!({"type": "broadcast", "message": value});
            let answer = client.try_call(node, &body);
            if answer.is_some_and(|answer| answer["type"] == "broadcast_ok")
                && acknowledged.send(value).is_err()
            {
                break;
            }
        }
    });
    let mut values: BTreeSet<u64> = acknowledgements.iter().take(100).collect();
    server.kill();
    for node in &nodes {
        node.tells("the connection to NATS is lost");
    }
    server.serve();
    for node in &nodes {
        node.tells("connected to NATS again");
    }
    // What was acknowledged before it went, and what was after it came.
    values.extend(acknowledgements.try_iter());
    values.extend(acknowledgements.iter().take(100));
    drop(acknowledgements);
    load.join().unwrap();

    let client = Asker::new(&server);
    let has_all = |node: &str| {
        let answer = client.call(node, &json!({"type": "read"}));
        let messages: BTreeSet<u64> = serde_json::from_value(answer["messages"].clone()).unwrap();
        messages.is_superset(&values)
    };
    // They tell each other until all have all.
    for node in names {
        until("told all", || has_all(node));
    }
}

#[test]
fn a_flood_without_a_server_is_dropped_and_counted() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let address = format!("127.0.0.1:{}", free_port());
    let node = carrier(&server, "n1", "n1", &["--metrics", &address], &PLAIN);
    node.tells("n1 is ready");
    let client = Asker::new(&server);
    // 100 MB.
    let flood = json!({"type": "flood", "dest": "n2", "messages": 1_000, "bytes": 100_000});
    client.send("n1", &flood, 1);
    node.tells("n1: flooding");
    server.kill();
    node.tells("there is no connection to NATS; what n1 sends meanwhile is lost");
    node.tells("n1: flooded");
    assert!(peak(&node) < 70, "{} MiB", peak(&node));
    server.serve();
    node.tells("connected to NATS again");
    let client = Asker::new(&server);
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 0);

    let mut metrics = TcpStream::connect(&address).unwrap();
    metrics
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    metrics.read_to_string(&mut page).unwrap();
    assert!(
        page.contains(r#"glomer_messages_dropped_total{node="n1",why="disconnected"}"#),
        "{page}"
    );
    assert!(
        page.contains(r#"glomer_handler_seconds_count{node="n1"} 1"#),
        "{page}"
    );
}

#[test]
fn a_node_that_does_not_read_makes_nobody_wait_and_takes_no_memory_without_a_bound() {
    let Some(server) = Server::start() else {
        return;
    };
    let nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    let obey = |request: Request| {
        let reply = client.control("n1", &request);
        assert!(matches!(reply, Reply::Done), "{reply:?}");
    };
    obey(Request::Pause { for_ms: 600_000 });
    let long = "x".repeat(1_000_000);
    // 32 MiB wait for it, and no more.
    client.send("n1", &json!({"type": "add", "text": long}), 45);
    nodes[0].tells("n1 does not read what is for it; 32 MiB wait, and what comes now is lost");
    let answer = client.call("n1", &json!({"type": "echo", "echo": long}));
    assert_eq!(answer["code"], 11, "{answer}");
    obey(Request::Resume);
    let mut value = None;
    until("reading", || {
        let answer = client.call("n1", &json!({"type": "read"}));
        value = answer["value"].as_u64();
        assert!(value.is_some() || answer["code"] == 11, "{answer}");
        value.is_some()
    });
    let value = value.unwrap();
    assert!((30..=36).contains(&value), "{value} messages of a MB");
    assert!(peak(&nodes[0]) < 150, "{} MiB", peak(&nodes[0]));
}
