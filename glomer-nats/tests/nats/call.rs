//! `glomer-nats call`, where there is nobody to be asked.

use crate::support::{Output, Server};

#[test]
fn a_server_that_is_not_there_is_named() {
    // Port 1 is nobody's.
    let output = Output::of(&[
        "call",
        "n1",
        r#"{"type":"read"}"#,
        "--server",
        "127.0.0.1:1",
    ]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("nats://127.0.0.1:1"), "{output:?}");
    assert!(output.stderr.contains("nats-server -js"), "{output:?}");
}

#[test]
fn a_body_that_is_none_is_not_sent() {
    let output = Output::of(&["call", "n1", "read", "--server", "127.0.0.1:1"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("this is no body"), "{output:?}");
}

#[test]
fn a_name_that_no_subject_can_hold_is_refused() {
    let output = Output::of(&["call", "n.1", r#"{"type":"read"}"#]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("it holds `.`"), "{output:?}");
}

#[test]
fn a_node_that_nobody_carries_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    let output = Output::of(&["call", "n7", r#"{"type":"read"}"#, "--server", &url]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output.stderr.contains("nobody carries the node n7"),
        "{output:?}"
    );
    assert_eq!(output.stdout, "", "{output:?}");
}
