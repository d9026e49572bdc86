//! Five real broadcast processes, wired together over pipes, converge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use glomer_tests::Process;
use serde_json::{Value, json};

/// Hands every line of every node to its destination, and to the test what
/// goes to a client.
struct Wire {
    nodes: BTreeMap<String, ChildStdin>,
    lines: mpsc::Receiver<String>,
    next_id: u64,
}

impl Wire {
    fn send(&mut self, dest: &str, mut body: Value) -> u64 {
        self.next_id += 1;
        body["msg_id"] = json!(self.next_id);
        self.route(&json!({"src": "c1", "dest": dest, "body": body}).to_string());
        self.next_id
    }

    fn route(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap();
        let dest = message["dest"].as_str().unwrap();
        let node = self
            .nodes
            .get_mut(dest)
            .unwrap_or_else(|| panic!("no such node: {line}"));
        writeln!(node, "{line}").unwrap();
    }

    /// Sends a request and carries messages until its answer comes.
    fn call(&mut self, dest: &str, body: Value) -> Value {
        let id = self.send(dest, body);
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(30))
                .expect("an answer comes");
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["dest"] == "c1" {
                assert_eq!(
                    message["body"]["in_reply_to"], id,
                    "one answer to each request"
                );
                return message["body"].take();
            }
            self.route(&line);
        }
    }
}

fn forward(mut node: Process, lines: Sender<String>) {
    thread::spawn(move || {
        let mut line = String::new();
        while node.stdout.read_line(&mut line).unwrap() > 0 {
            if lines.send(line.trim_end().to_string()).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[test]
fn five_processes_converge_on_every_value() {
    let ids: Vec<String> = (0..5).map(|n| format!("n{n}")).collect();
    let (sender, lines) = mpsc::channel();
    let mut nodes = BTreeMap::new();
    for id in &ids {
        let mut process = Process::start(env!("CARGO_BIN_EXE_broadcast-node"), &[]);
        nodes.insert(id.clone(), process.take_stdin());
        forward(process, sender.clone());
    }
    let mut wire = Wire {
        nodes,
        lines,
        next_id: 0,
    };
    let topology: BTreeMap<_, _> = ids.iter().map(|id| (id, [&ids[0]])).collect();
    for id in &ids {
        let init = json!({"type": "init", "node_id": id, "node_ids": ids});
        assert_eq!(wire.call(id, init)["type"], "init_ok");
    }
    for id in &ids {
        let body = json!({"type": "topology", "topology": topology});
        assert_eq!(wire.call(id, body)["type"], "topology_ok");
    }
    let values: BTreeSet<u64> = (0..50).collect();
    for value in &values {
        let id = &ids[usize::try_from(*value).unwrap() % 5];
        let body = json!({"type": "broadcast", "message": value});
        assert_eq!(wire.call(id, body)["type"], "broadcast_ok");
    }
    for id in &ids {
        let started = Instant::now();
        loop {
            let body = wire.call(id, json!({"type": "read"}));
            let read: BTreeSet<u64> = serde_json::from_value(body["messages"].clone()).unwrap();
            assert!(read.is_subset(&values));
            if read == values {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{id} has only {read:?}"
            );
        }
    }
}
