//! `glomer-nats up`: all of it on one machine.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Output, PLAIN, Running, Server, glomer_nats, until};

/// The server of one that is up.
fn where_it_is(up: &Running) -> String {
    let told = up.tells("Ctrl-C ends all of it");
    let url = told.split("--server ").nth(1).unwrap();
    url.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_server_services_and_nodes_start_together_and_end_together() {
    // Whether there is one to be started.
    if Server::start().is_none() {
        return;
    }
    let mut up = Running::start(&[&["up", "--nodes", "2", "--"], &PLAIN[..]].concat());
    let url = where_it_is(&up);
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
fn several_at_once_have_a_server_each() {
    if Server::start().is_none() {
        return;
    }
    let start = |_| Running::start(&[&["up", "--nodes", "1", "--"], &PLAIN[..]].concat());
    let ups: Vec<Running> = (0..3).map(start).collect();
    let servers: BTreeSet<String> = ups.iter().map(where_it_is).collect();
    assert_eq!(servers.len(), ups.len(), "{servers:?}");
    for mut up in ups {
        up.signal(Signal::SIGINT);
        assert_eq!(up.ends(), Some(0));
    }
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

#[test]
fn a_server_that_is_not_there_or_does_not_start_is_named() {
    for (program, told) in [
        ("no-such-server", "there is no no-such-server: install one"),
        ("false", "false does not start"),
    ] {
        let mut command = glomer_nats(&["up", "--", "false"]);
        command.env("NATS_SERVER", program);
        let mut up = Running::of(command);
        assert_eq!(up.ends(), Some(1));
        up.tells(told);
    }
}

/// What comes after the name of this command in the lines of the README that run it.
fn commands_of_the_readme() -> Vec<Vec<String>> {
    let readme = include_str!("../../../README.md");
    let runs = readme.lines().filter_map(|line| {
        let (_, args) = line.split_once("cargo run --release -p glomer-nats -- ")?;
        Some(shlex::split(args).unwrap())
    });
    runs.collect()
}

#[test]
fn what_the_readme_tells_to_try_works() {
    if Server::start().is_none() {
        return;
    }
    let node = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nats/nodes/broadcast.py");
    let commands = commands_of_the_readme();
    let words: Vec<Vec<&str>> = commands
        .iter()
        .map(|words| words.iter().map(String::as_str).collect())
        .collect();
    let [up, tell, read, test] = &words[..] else {
        panic!("{commands:?}");
    };
    // Another node, which tells again, too.
    let (program, up) = up.split_last().unwrap();
    assert_eq!(*program, "target/release/broadcast");
    let mut up = Running::start(&[up, &["python3", node]].concat());
    let told = up.tells("Ctrl-C ends all of it");
    // Who copies a command from there runs the same program.
    let me = env!("CARGO_BIN_EXE_glomer-nats");
    assert!(told.contains(&format!("    {me} call n1 ")), "{told}");
    // The port where everybody looks for a server may be another's.
    let url = where_it_is(&up);
    let server = ["--server", &url];

    let output = Output::of(&[tell, &server[..]].concat());
    assert!(output.stdout.contains("broadcast_ok"), "{output:?}");
    let has_it = || {
        let output = Output::of(&[read, &server[..]].concat());
        assert!(output.stdout.contains("read_ok"), "{output:?}");
        output.stdout.contains("[7]")
    };
    until("told", has_it);

    // Sooner than the README has it.
    let limit = test.iter().position(|word| *word == "--time-limit");
    let mut test = test.clone();
    test[limit.unwrap() + 1] = "2";
    let store = TempDir::new().unwrap();
    let shorter = ["--recovery-time", "1", "--nemesis-interval", "1"];
    let kept = ["--store", store.path().to_str().unwrap()];
    let output = Output::of(&[&test, &server[..], &shorter, &kept].concat());
    assert_eq!(output.code, 0, "{output:?}");
    // Nodes of `up` have disks.
    let told = "n1, n2, n3: what an earlier run left on the disk is there";
    assert!(output.stderr.contains(told), "{output:?}");
    // Its server ends with it, unless it is killed.
    up.signal(Signal::SIGINT);
    assert_eq!(up.ends(), Some(0));
}
