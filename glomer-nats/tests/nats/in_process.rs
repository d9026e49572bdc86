//! A Rust node that talks to NATS itself.

use std::process::Command;

use glomer_nats::control::{Life, Reply, Request};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Asker, PLAIN, Running, Server, carrier, example, until};

/// Starts it as n1 beside n2, with what it keeps in this folder.
fn start(server: &Server, disk: &TempDir) -> Running {
    let mut command = Command::new(example("tally"));
    command.env("GLOMER_DISK", disk.path());
    command.args(["--server", &server.url(), "--cluster", "test"]);
    command.args(["--id", "n1", "--nodes", "n1,n2"]);
    let node = Running::of(command);
    node.tells("n1 is ready");
    node
}

#[test]
fn a_node_in_its_own_process_is_one_like_any_other_and_keeps_its_disk() {
    let Some(server) = Server::start() else {
        return;
    };
    let disk = TempDir::new().unwrap();
    let mut node = start(&server, &disk);
    let plain = carrier(&server, "n2", "n1,n2", &[], &PLAIN);
    plain.tells("n2 is ready");
    let client = Asker::new(&server);
    client.call("n1", &json!({"type": "add", "pass_on": ["n2"]}));
    client.call("n2", &json!({"type": "add", "pass_on": ["n1"]}));
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 2);
    // It waits for another node without holding up anything.
    let answer = client.call("n1", &json!({"type": "ask", "node": "n2"}));
    assert_eq!(answer["value"], 2, "{answer}");

    let done = |request: Request| {
        let reply = client.control("n1", &request);
        assert!(matches!(reply, Reply::Done), "{reply:?}");
    };
    done(Request::Pause { for_ms: 1 });
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 2);
    done(Request::Kill { for_ms: 600_000 });
    assert_eq!(client.call("n1", &json!({"type": "read"}))["code"], 11);
    done(Request::Start);
    until("ready", || {
        let reply = client.control("n1", &Request::Status);
        matches!(reply, Reply::Status(status) if status.life == Life::Ready)
    });
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 2);

    node.signal(Signal::SIGTERM);
    assert_eq!(node.ends(), Some(0));
    let _node = start(&server, &disk);
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 2);
}

#[test]
fn a_node_that_asks_for_a_disk_and_has_none_says_so() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut command = Command::new(example("tally"));
    command.args(["--server", &server.url(), "--id", "n1", "--nodes", "n1"]);
    let mut node = Running::of(command);
    assert_eq!(node.ends(), Some(1));
    node.tells("set GLOMER_DISK to a folder");
}
