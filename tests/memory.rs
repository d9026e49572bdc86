//! Memory stays bounded, whatever comes: measured on a real process, where the
//! system tells it (`/proc`).

use std::fs;
use std::io::{BufRead, Read, Write};
use std::thread;

use glomer_tests::Process;
use serde_json::{Value, json};

const MIB: u64 = 1024 * 1024;

fn probe(environment: &[(&str, &str)]) -> Process {
    let mut node = Process::start(env!("CARGO_BIN_EXE_probe"), environment);
    node.init();
    // Its timer sends three messages, which are not to be met again.
    while node.receive_type("beat")["beats"] != 3 {}
    node
}

/// The bytes of memory that `field` of the node's `/proc` status tells:
/// `VmRSS` in use, `VmHWM` in use at most so far.
fn memory(node: &Process, field: &str) -> Option<u64> {
    let path = format!("/proc/{}/status", node.id());
    let Ok(status) = fs::read_to_string(&path) else {
        println!("no memory measured: {path} cannot be read");
        return None;
    };
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kib = line.split_whitespace().nth(1)?;
    Some(1024 * kib.parse::<u64>().ok()?)
}

fn assert_memory(node: &Process, field: &str, limit: u64) {
    if let Some(used) = memory(node, field) {
        assert!(used <= limit, "{field}: {used} bytes, at most {limit}");
    }
}

fn line(body: Value) -> String {
    json!({"src": "c1", "dest": "n1", "body": body}).to_string() + "\n"
}

#[test]
fn a_million_requests_leave_memory_as_it_was() {
    const REQUESTS: usize = 1000;
    const BATCHES: usize = 1000;
    let batch: String = (0..REQUESTS)
        .map(|id| line(json!({"type": "echo", "echo": format!("text {id}"), "msg_id": id})))
        .collect();
    let mut node = probe(&[]);
    let mut stdin = node.take_stdin();
    let writer = thread::spawn(move || {
        for _ in 0..BATCHES {
            stdin.write_all(batch.as_bytes()).unwrap();
        }
    });

    let mut first = Vec::new();
    for id in 0..REQUESTS {
        let start = first.len();
        node.stdout.read_until(b'\n', &mut first).unwrap();
        let reply: Value = serde_json::from_slice(&first[start..]).unwrap();
        assert_eq!(reply["body"]["type"], "echo_ok");
        assert_eq!(reply["body"]["in_reply_to"], id);
        assert_eq!(reply["body"]["echo"], format!("text {id}"));
    }
    let mut warm = None;
    let mut replies = vec![0; first.len()];
    for batch in 1..BATCHES {
        node.stdout.read_exact(&mut replies).unwrap();
        assert!(replies == first, "batch {batch} is answered like the first");
        match (batch % 100, warm) {
            (10, None) => warm = memory(&node, "VmRSS"),
            (0, Some(warm)) => assert_memory(&node, "VmRSS", warm + MIB),
            _ => {}
        }
    }
    writer.join().unwrap();
    let (status, rest, stderr) = node.finish();
    assert!(status.success() && rest.is_empty() && stderr.is_empty());
}

#[test]
fn a_line_without_end_is_refused_rather_than_kept() {
    let mut node = probe(&[]);
    let before = memory(&node, "VmHWM");
    node.write(br#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1,"echo":""#);
    for _ in 0..64 {
        node.write(&vec![b'x'; MIB as usize]);
    }
    node.write(b"\"}}\n");
    node.send(json!({"type": "echo", "echo": "after", "msg_id": 2}));
    let reply = node.receive_type("echo_ok");
    assert_eq!(reply["in_reply_to"], 2, "the next request is answered");
    if let Some(before) = before {
        assert_memory(&node, "VmHWM", before + 16 * MIB + 4 * MIB);
        assert_memory(&node, "VmRSS", before + 4 * MIB);
    }
    let (status, _, stderr) = node.finish();
    assert!(status.success());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with(
            "glomer error: line 2 refused: longer than 16777216 bytes (GLOMER_MAX_LINE"
        ),
        "{stderr}"
    );
}

#[test]
fn the_longest_line_is_set_by_the_environment() {
    let request = |id: u64, length: usize| {
        let empty = line(json!({"type": "echo", "echo": "", "msg_id": id})).len() - 1;
        let text = "x".repeat(length - empty);
        line(json!({"type": "echo", "echo": text, "msg_id": id}))
    };
    let mut node = probe(&[("GLOMER_MAX_LINE", "1000")]);
    for (id, length) in [(1, 1000), (2, 1001), (3, 1000), (4, 200_000), (5, 1000)] {
        node.write(request(id, length).as_bytes());
    }
    let (_, messages, stderr) = node.finish();
    let answered: Vec<_> = messages
        .iter()
        .filter(|message| message["body"]["type"] == "echo_ok")
        .map(|message| message["body"]["in_reply_to"].as_u64().unwrap())
        .collect();
    assert_eq!(answered, [1, 3, 5]);
    let refused: Vec<_> = stderr.lines().collect();
    assert_eq!(refused.len(), 2, "{stderr}");
    assert!(
        refused[0].contains("line 3 refused: longer than 1000 bytes"),
        "{stderr}"
    );
    assert!(
        refused[1].contains("line 5 refused: longer than 1000 bytes"),
        "{stderr}"
    );

    let (status, _, stderr) =
        Process::start(env!("CARGO_BIN_EXE_probe"), &[("GLOMER_MAX_LINE", "64MiB")]).finish();
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        stderr,
        "glomer error: GLOMER_MAX_LINE: `64MiB` is no number of bytes; write one such as 16777216\n"
    );
}

#[test]
fn a_flood_of_requests_that_wait_is_refused_beyond_the_limit() {
    /// As documented at the runtime's table of what it does with each line.
    const LIMIT: usize = 65_536;
    const FLOOD: usize = LIMIT + 1000;
    let mut node = probe(&[]);
    let before = memory(&node, "VmHWM");
    let mut stdin = node.take_stdin();
    // The node asks `n2`, which never answers; only the end of input ends that.
    let writer = thread::spawn(move || {
        for id in 0..FLOOD {
            let request = line(json!({"type": "ask", "peer": "n2", "msg_id": id}));
            stdin.write_all(request.as_bytes()).unwrap();
        }
        let request = line(json!({"type": "echo", "echo": "alive", "msg_id": FLOOD}));
        stdin.write_all(request.as_bytes()).unwrap();
        stdin
    });
    let mut refused = 0;
    loop {
        let message = node.receive();
        let body = &message["body"];
        if body["type"] == "echo_ok" {
            break;
        } else if body["type"] == "error" {
            assert_eq!(body["code"], 11);
            assert!(body["in_reply_to"].as_u64().unwrap() >= LIMIT as u64);
            refused += 1;
        }
    }
    assert_eq!(refused, FLOOD - LIMIT);
    if let Some(before) = before {
        assert_memory(&node, "VmHWM", before + LIMIT as u64 * 2048);
    }
    drop(writer.join().unwrap());
    let (status, messages, _) = node.finish();
    assert!(status.success());
    let mut waited: Vec<_> = messages
        .iter()
        .filter(|message| message["body"]["code"] == 0)
        .map(|message| message["body"]["in_reply_to"].as_u64().unwrap())
        .collect();
    waited.sort_unstable();
    assert!(
        waited.into_iter().eq(0..LIMIT as u64),
        "each is answered once"
    );
}

#[test]
fn a_huge_reply_leaves_memory_as_it_was() {
    let mut node = probe(&[]);
    node.send(json!({"type": "echo", "echo": "before", "msg_id": 1}));
    node.receive_type("echo_ok");
    let before = memory(&node, "VmRSS");
    node.send(json!({"type": "big", "mib": 64, "msg_id": 2}));
    let reply = node.receive_type("big_ok");
    assert_eq!(reply["text"].as_str().unwrap().len() as u64, 64 * MIB);
    // When this is answered, the node is done with the one before.
    node.send(json!({"type": "echo", "echo": "after", "msg_id": 3}));
    node.receive_type("echo_ok");
    if let Some(before) = before {
        assert_memory(&node, "VmRSS", before + 2 * MIB);
    }
}

#[test]
fn requests_that_wait_are_refused_beyond_a_limit_in_bytes() {
    /// As documented at the runtime's table of what it does with each line.
    const LIMIT: u64 = 64;
    const REQUESTS: u64 = 100;
    let mut node = probe(&[]);
    let before = memory(&node, "VmHWM");
    for id in 0..REQUESTS {
        // Each a little more than 1 MiB, from a client of its own.
        let src = format!("c{id}-{}", "x".repeat(MIB as usize));
        let body = json!({"type": "ask", "peer": "n2", "msg_id": id});
        let line = json!({"src": src, "dest": "n1", "body": body}).to_string() + "\n";
        node.write(line.as_bytes());
        let message = node.receive();
        assert_eq!(
            message["body"]["type"],
            if id < LIMIT { "nap" } else { "error" }
        );
        if id >= LIMIT {
            assert_eq!(message["body"]["code"], 11);
        }
    }
    if let Some(before) = before {
        assert_memory(&node, "VmHWM", before + (LIMIT + 24) * MIB);
    }
    let (status, messages, _) = node.finish();
    assert!(status.success());
    let ids = messages
        .iter()
        .map(|message| &message["body"]["in_reply_to"]);
    assert!(ids.eq(&(0..LIMIT).map(Value::from).collect::<Vec<_>>()));
}
