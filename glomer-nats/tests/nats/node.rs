//! `glomer-nats node`: a program that is a node.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Asker, Output, PLAIN, Server, carrier, carriers, until};

#[test]
fn a_program_answers_clients_and_ends_decently() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut nodes = carriers(&server, &["n1"], &PLAIN);
    let url = server.url();
    let body = r#"{"type": "echo", "echo": {"a": [1, 2.50, "ü"]}}"#;
    let output = Output::of(&["call", "n1", body, "--server", &url, "--cluster", "test"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(
        output.stdout.contains(r#""echo": {"a": [1, 2.5,"#),
        "{output:?}"
    );

    let client = Asker::new(&server);
    // A `msg_id` is the client's; a line feed is white space.
    let answer = client.call_bytes(
        "n1",
        "{\"msg_id\": 77,\n\"type\":\n\"echo\", \"echo\": 1}\n",
    );
    assert_eq!(
        answer,
        json!({"type": "echo_ok", "in_reply_to": 77, "echo": 1})
    );
    client.call("n1", &json!({"type": "tell", "text": "what it tells"}));
    nodes[0].tells("n1: what it tells");

    nodes[0].signal(Signal::SIGTERM);
    assert_eq!(nodes[0].ends(), Some(0));
    nodes[0].tells("n1: the input has ended");
}

#[test]
fn what_has_arrived_when_a_node_is_to_end_is_answered() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    let echo = json!({"type": "echo", "echo": 1});
    // It reads none of them before it is told to end.
    nodes[0].signal(Signal::SIGSTOP);
    client.call_all("n1", &echo, 2000, || {
        nodes[0].signal(Signal::SIGTERM);
        nodes[0].signal(Signal::SIGCONT);
    });
    assert_eq!(nodes[0].ends(), Some(0));
}

#[test]
fn what_is_no_request_is_answered_by_the_carrier() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    for wrong in [
        "",
        "hello",
        "[1]",
        "{\"type\": 1}",
        r#"{"src": "c1", "dest": "n1", "body": {}}"#,
    ] {
        let answer = client.call_bytes("n1", wrong);
        assert_eq!(answer["type"], "error", "{wrong}: {answer}");
        assert_eq!(answer["code"], 12, "{wrong}: {answer}");
    }
    // The node did not see any of them.
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 0);
}

#[test]
fn lines_that_are_no_messages_are_told_and_dropped() {
    let Some(server) = Server::start() else {
        return;
    };
    let nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    let print = |text: &str| client.call("n1", &json!({"type": "print", "text": text}));
    print("Traceback (most recent call last)");
    nodes[0].tells("n1 wrote a line that was dropped, since it is no message");
    // The same kind of warning is told but once a second; the answers show that both live on.
    print(r#"{"src": "n1", "dest": "n.2", "body": {}}"#);
    print(r#"{"src": "n1", "dest": "c:not a subject", "body": {}}"#);

    // The server takes 1 MiB.
    let answer = client.call("n1", &json!({"type": "long", "bytes": 1 << 20}));
    assert_eq!(answer["code"], 13, "{answer}");
    assert!(
        answer["text"].as_str().unwrap().contains("max_payload"),
        "{answer}"
    );
    nodes[0].tells("`max_payload` in its configuration");
    // A node takes 16 MiB.
    print(&"x".repeat(1000));
    let answer = client.call("n1", &json!({"type": "long", "bytes": 1000}));
    assert_eq!(answer["type"], "long_ok");
}

#[test]
fn a_node_that_dies_is_started_again_and_its_clients_are_told() {
    let Some(server) = Server::start() else {
        return;
    };
    let nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    let answer = client.call("n1", &json!({"type": "die", "msg_id": 5}));
    assert_eq!(
        (&answer["code"], &answer["in_reply_to"]),
        (&json!(13), &json!(5)),
        "{answer}"
    );
    nodes[0].tells("n1 ended (exit status: 3), and is started again in 100ms (1 of 10 times)");
    // Until it is ready again, clients are told to come back.
    until("ready", || {
        let answer = client.call("n1", &json!({"type": "read"}));
        let is_ready = answer["type"] == "read_ok";
        assert!(is_ready || answer["code"] == 11, "{answer}");
        is_ready
    });
}

#[test]
fn a_node_that_dies_again_and_again_is_given_up() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut node = carrier(&server, "n1", "n1", &["--restarts", "1"], &["false"]);
    assert_eq!(node.ends(), Some(1));
    node.tells("n1 ended (exit status: 1), 2 times in a row, and is not started again");
}

/// A program that neither answers nor ends.
const DEAF: [&str; 3] = ["sh", "-c", "echo deaf >&2; exec sleep 1000"];

#[test]
fn a_node_that_ignores_the_end_of_its_input_is_killed() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut node = carrier(&server, "n1", "n1", &[], &DEAF);
    node.tells("n1: deaf");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ends(), Some(0));
    node.tells("n1 did not end within 5 s of the end of its input, and is killed");
}

#[test]
#[ignore = "it waits for a minute"]
fn a_node_that_does_not_answer_init_is_started_again_and_then_given_up() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut node = carrier(&server, "n1", "n1", &["--restarts", "1"], &DEAF);
    assert_eq!(node.ends(), Some(1));
    node.tells("n1 ended (no answer to `init` in 30 s), and is started again");
    node.tells("n1 ended (no answer to `init` in 30 s), 2 times in a row");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut node = carrier(&server, "n1", "n1", &[], &["no-such-program"]);
    assert_eq!(node.ends(), Some(1));
    node.tells("no-such-program cannot be run");
}

#[test]
fn one_node_is_carried_once_and_all_know_the_same_nodes() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = carriers(&server, &["n1", "n2"], &PLAIN);
    let mut twin = carrier(&server, "n1", "n1,n2", &[], &PLAIN);
    assert_eq!(twin.ends(), Some(1));
    twin.tells("there is a node n1 in this cluster already");
    let mut other = carrier(&server, "n3", "n1,n2,n3", &[], &PLAIN);
    assert_eq!(other.ends(), Some(1));
    other.tells("this carrier has --nodes n1,n2,n3, and the carrier of n");
    let mut none = carrier(&server, "n4", "n1,n2", &[], &PLAIN);
    assert_eq!(none.ends(), Some(1));
    none.tells("--id n4 is none of --nodes n1,n2");
}

#[test]
fn a_carrier_that_is_killed_takes_its_node_along_and_can_be_replaced() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut nodes = carriers(&server, &["n1"], &PLAIN);
    let client = Asker::new(&server);
    client.call("n1", &json!({"type": "add"}));
    let node = client.call("n1", &json!({"type": "pid"}))["pid"].to_string();
    nodes[0].signal(Signal::SIGKILL);
    assert_eq!(nodes[0].ends(), None);
    // What has ended has no command line, even if nobody has taken note of its end.
    let command = Path::new("/proc").join(node).join("cmdline");
    until("ended", || {
        fs::read(&command).map_or(true, |command| command.is_empty())
    });
    let _nodes = carriers(&server, &["n1"], &PLAIN);
    assert_eq!(client.call("n1", &json!({"type": "read"}))["value"], 0);
}
