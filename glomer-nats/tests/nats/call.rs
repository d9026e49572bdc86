//! `glomer-nats call`, where there is nobody to be asked.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

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

#[test]
fn a_server_that_is_too_old_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let info = r#"{"server_id": "x", "version": "2.10.22", "max_payload": 1048576}"#;
        write!(stream, "INFO {info}\r\n").unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for _ in lines.map_while(Result::ok).filter(|line| line == "PING") {
            write!(stream, "PONG\r\n").unwrap();
        }
    });
    let output = Output::of(&["call", "n1", r#"{"type":"read"}"#, "--server", &url]);
    assert_eq!(output.code, 1, "{output:?}");
    let told = "is nats-server 2.10.22, and the oldest that will do is 2.10.23";
    assert!(output.stderr.contains(told), "{output:?}");
}

#[test]
fn who_is_not_let_in_is_told_what_to_give() {
    let Some(server) = Server::with(&["--user", "ann", "--pass", "secret"]) else {
        return;
    };
    let call = |more: &[&str]| {
        let url = server.url();
        let args = ["call", "n1", r#"{"type":"read"}"#, "--server", &url];
        Output::of(&[&args, more].concat())
    };
    let output = call(&[]);
    assert!(
        output.stderr.contains("--user with NATS_PASSWORD"),
        "{output:?}"
    );
    let output = call(&["--user", "ann", "--password", "secret"]);
    assert!(
        output.stderr.contains("nobody carries the node n1"),
        "{output:?}"
    );
}
