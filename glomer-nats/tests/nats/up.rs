//! `glomer-nats up`: all of it on one machine.

use nix::sys::signal::Signal;

use crate::support::{Output, PLAIN, Running, Server};

#[test]
fn a_server_services_and_nodes_start_together_and_end_together() {
    // Whether there is one to be started.
    if Server::start().is_none() {
        return;
    }
    let mut up = Running::start(&[&["up", "--nodes", "2", "--"], &PLAIN[..]].concat());
    let told = up.tells("Ctrl-C ends all of it");
    let after = |text: &str| {
        let (_, rest) = told.split_once(text).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let url = after("--server ");
    let call = |node: &str, body: &str| Output::of(&["call", node, body, "--server", &url]);
    let output = call("n2", r#"{"type": "echo", "echo": 5}"#);
    assert_eq!(output.code, 0, "{output:?}");
    let output = call("lin-kv", r#"{"type": "write", "key": 1, "value": 2}"#);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("write_ok"), "{output:?}");

    up.signal(Signal::SIGINT);
    assert_eq!(up.ends(), Some(0));
    for node in ["n1", "n2"] {
        up.tells(&format!("{node}: the input has ended"));
    }
    let output = call("n2", r#"{"type": "read"}"#);
    assert!(
        output.stderr.contains("no connection to a NATS server"),
        "{output:?}"
    );
}

#[test]
fn a_node_that_does_not_start_ends_it() {
    if Server::start().is_none() {
        return;
    }
    let mut up = Running::start(&["up", "--restarts", "0", "--", "false"]);
    assert_eq!(up.ends(), Some(1));
    up.tells("1 times in a row, and is not started again");
}
