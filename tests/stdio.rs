//! The stdio driver: a real process over real pipes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use glomer_tests::Process;
use serde_json::json;

fn probe(environment: &[(&str, &str)]) -> Process {
    Process::start(env!("CARGO_BIN_EXE_probe"), environment)
}

#[test]
fn an_answer_comes_while_the_input_is_idle() {
    let mut node = probe(&[]);
    node.init();
    assert_eq!(node.receive_type("init_ok")["in_reply_to"], 0);
    for id in 1..100 {
        node.send(json!({"type": "echo", "echo": "a", "msg_id": id}));
        assert_eq!(node.receive_type("echo_ok")["in_reply_to"], id);
    }
    let (status, _, stderr) = node.finish();
    assert!(status.success());
    assert_eq!(stderr, "", "silent unless something is wrong");
}

#[test]
fn timers_fire_without_input() {
    let mut node = probe(&[]);
    node.init();
    for beats in 1..=3 {
        assert_eq!(node.receive_type("beat")["beats"], beats);
    }
    node.send(json!({"type": "nap", "ms": 3, "msg_id": 1}));
    assert_eq!(node.receive_type("nap_ok")["in_reply_to"], 1);
}

#[test]
fn everything_read_is_answered_at_the_end_of_input() {
    let mut node = probe(&[]);
    let mut input = Vec::new();
    for id in 0..50_000 {
        let body = match id {
            0 => json!({"type": "init", "msg_id": 0, "node_id": "n1", "node_ids": ["n1"]}),
            _ => json!({"type": "echo", "echo": "x".repeat(id % 300), "msg_id": id}),
        };
        writeln!(
            input,
            "{}",
            json!({"src": "c1", "dest": "n1", "body": body})
        )
        .unwrap();
    }
    // The last request lacks its line feed.
    input.pop();
    // Nobody reads yet: the pipe fills up, and the node waits.
    let mut stdin = node.take_stdin();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let (status, messages, _) = {
        let mut answered = vec![0; 50_000];
        let mut line = String::new();
        while node.stdout.read_line(&mut line).unwrap() > 0 {
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(id) = message["body"]["in_reply_to"].as_u64() {
                answered[usize::try_from(id).unwrap()] += 1;
            }
            line.clear();
        }
        assert!(answered.iter().all(|count| *count == 1));
        node.finish()
    };
    writer.join().unwrap();
    assert!(status.success());
    assert!(messages.is_empty());
}

#[test]
fn whoever_waits_is_answered_at_the_end_of_input() {
    let mut node = probe(&[]);
    node.init();
    node.send(json!({"type": "ask", "peer": "n2", "msg_id": 5}));
    node.send(json!({"type": "nap", "ms": 3_600_000, "msg_id": 6}));
    let (status, messages, _) = node.finish();
    assert!(status.success());
    for id in [5, 6] {
        let answers: Vec<_> = messages
            .iter()
            .filter(|message| message["body"]["in_reply_to"] == id)
            .collect();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0]["body"]["code"], 0);
    }
}

#[test]
fn a_closed_output_ends_the_node_quietly() {
    let mut node = probe(&[]);
    node.init();
    node.receive_type("init_ok");
    let (status, stderr) = node.hang_up(json!({"type": "echo", "echo": "a", "msg_id": 1}));
    assert!(status.success());
    assert_eq!(stderr, "");
}

#[test]
fn what_a_handler_prints_does_not_get_among_the_messages() {
    let mut node = probe(&[]);
    node.init();
    node.send(json!({"type": "print", "text": "not a message", "msg_id": 1}));
    assert_eq!(node.receive_type("print_ok")["in_reply_to"], 1);
    let (_, _, stderr) = node.finish();
    assert_eq!(stderr, "not a message\n");
}

#[test]
fn a_panic_names_the_handler_and_the_place_and_the_node_lives_on() {
    let mut node = probe(&[]);
    node.init();
    node.send(json!({"type": "panic", "msg_id": 1}));
    assert_eq!(node.receive_type("error")["code"], 13);
    node.send(json!({"type": "echo", "echo": "alive", "msg_id": 2}));
    assert_eq!(node.receive_type("echo_ok")["echo"], "alive");
    let (_, _, stderr) = node.finish();
    assert!(stderr.contains("handler `panic` at "), "{stderr}");
    assert_eq!(stderr.matches("probe.rs:").count(), 2, "{stderr}");
    assert!(stderr.contains("as asked"), "{stderr}");
}

#[test]
fn garbage_is_told_with_its_line_number() {
    let mut node = probe(&[]);
    node.init();
    node.write(b"\n{\"no\": \"message\"}\n\xff\xfe\n");
    node.send(json!({"type": "echo", "echo": "alive", "msg_id": 2}));
    assert_eq!(node.receive_type("echo_ok")["echo"], "alive");
    let (status, _, stderr) = node.finish();
    assert!(status.success());
    assert!(
        stderr.contains("line 3 ignored: missing field `src`"),
        "{stderr}"
    );
    assert!(stderr.contains("line 4 ignored: not UTF-8"), "{stderr}");
    assert_eq!(stderr.lines().count(), 2);
}

#[test]
fn the_log_level_comes_from_the_environment() {
    for (level, lines) in [("off", 0), ("warn", 1), ("info", 2), ("debug", 3)] {
        let mut node = probe(&[("GLOMER_LOG", level)]);
        node.init();
        node.write(b"garbage\n");
        node.send(json!({"type": "echo_ok", "in_reply_to": 77}));
        let (_, _, stderr) = node.finish();
        assert_eq!(stderr.lines().count(), lines, "{level}: {stderr}");
    }
    let (status, _, stderr) = probe(&[("GLOMER_LOG", "loud")]).finish();
    assert!(!status.success());
    assert_eq!(
        stderr,
        "glomer error: GLOMER_LOG: `loud` is no log level; use off, error, warn, info or debug\n"
    );
}

#[test]
fn a_node_with_two_handlers_for_one_type_does_not_start() {
    let node = Process::start(env!("CARGO_BIN_EXE_ambiguous"), &[]);
    let (status, _, stderr) = node.finish();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("are for `echo`"), "{stderr}");
    assert_eq!(stderr.matches("ambiguous.rs:").count(), 2, "{stderr}");
}

/// Lines that say where a function stands whose state is not the node's.
fn lines_about<'a>(text: &'a str, function: &str) -> Vec<&'a str> {
    let name = format!("`{function}` at ");
    text.lines().filter(|line| line.contains(&name)).collect()
}

#[test]
fn functions_that_forgot_the_state_are_told_at_start_and_when_asked_for() {
    let mut node = Process::start(env!("CARGO_BIN_EXE_forgetful"), &[]);
    node.init();
    node.send(json!({"type": "read", "msg_id": 2}));
    let answer = node.receive_type("error");
    let text = answer["text"].as_str().unwrap();
    assert!(
        text.starts_with("no handler for `read`; this node handles write; `read` at "),
        "{text}"
    );
    assert!(
        text.ends_with(" is for nodes with the state `()`"),
        "{text}"
    );

    let (status, _, stderr) = node.finish();
    assert!(status.success());
    for function in ["read", "tidy"] {
        let [line] = lines_about(&stderr, function)[..] else {
            panic!("one warning: {stderr}");
        };
        assert!(line.starts_with("glomer warn: "), "{line}");
        assert!(line.contains("forgetful.rs:"), "{line}");
        let states =
            "is for nodes with the state `()`, but this node has the state `forgetful::State`";
        assert!(line.ends_with(states), "{line}");
    }
    assert!(lines_about(&stderr, "write").is_empty(), "{stderr}");
}

#[test]
fn a_node_without_handlers_does_not_start() {
    let node = Process::start(env!("CARGO_BIN_EXE_forgetful"), &[("NOBODY", "1")]);
    let (status, output, stderr) = node.finish();
    assert_eq!(status.code(), Some(1));
    assert!(output.is_empty(), "{output:?}");
    assert!(
        stderr.contains("no handler is for nodes with the state `u8`"),
        "{stderr}"
    );
    for (function, state) in [
        ("write", "forgetful::State"),
        ("read", "()"),
        ("tidy", "()"),
    ] {
        let [line] = lines_about(&stderr, function)[..] else {
            panic!("named once: {stderr}");
        };
        assert!(line.contains("forgetful.rs:"), "{line}");
        assert!(line.ends_with(&format!("`{state}`")), "{line}");
    }
}

#[test]
fn a_future_that_a_thread_wakes_goes_on_without_input() {
    let mut node = turns();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for id in 1..20 {
        node.send(json!({"type": "read_elsewhere", "port": port, "msg_id": id}));
        // Its thread waits for us, and the node for its thread.
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"from elsewhere").unwrap();
        drop(stream);
        let answer = node.receive_type("read_elsewhere_ok");
        assert_eq!(answer["text"], "from elsewhere");
    }
}

#[test]
fn timers_without_delay_keep_nobody_waiting() {
    let mut node = turns();
    for kind in ["again", "hasty", "drowsy"] {
        node.send(json!({ "type": kind }));
    }
    for id in 1..100 {
        node.send(json!({"type": "echo", "echo": "alive", "msg_id": id}));
        assert_eq!(node.receive_type("echo_ok")["in_reply_to"], id);
    }
    let (status, ..) = node.finish();
    assert!(status.success());
}

/// A node that does nothing by itself, and was told its name.
fn turns() -> Process {
    let mut node = Process::start(env!("CARGO_BIN_EXE_turns"), &[]);
    node.init();
    node.receive_type("init_ok");
    node
}

/// A node that tells of every line it gets.
fn told_of(lines: usize, mut node: Process) -> Process {
    node.init();
    for _ in 0..lines {
        node.write(b"garbage\n");
    }
    node.send(json!({"type": "panic", "msg_id": 1}));
    assert_eq!(node.receive_type("error")["code"], 13);
    node.send(json!({"type": "echo", "echo": "alive", "msg_id": 2}));
    assert_eq!(node.receive_type("echo_ok")["echo"], "alive");
    node
}

#[test]
fn a_standard_error_that_cannot_be_written_stops_nothing() {
    let (reader, closed) = io::pipe().unwrap();
    drop(reader);
    let mut broken = vec![Stdio::from(closed)];
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        broken.push(full.into());
    }
    for stderr in broken {
        let node = Process::start_with(env!("CARGO_BIN_EXE_probe"), &[], stderr);
        let mut node = told_of(10, node);
        // What the handler prints itself is its own affair.
        node.send(json!({"type": "print", "text": "nowhere", "msg_id": 3}));
        assert_eq!(node.receive_type("error")["code"], 13);
        let (status, ..) = node.finish();
        assert!(status.success());
    }
}

#[test]
fn a_standard_error_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    const LINES: usize = 20_000;
    let mut node = told_of(LINES, probe(&[]));
    let stderr = BufReader::new(node.take_stderr());
    let (mut told, mut lost) = (0, 0);
    for line in stderr.lines() {
        let line = line.unwrap();
        if line.ends_with("could not be written here") {
            lost = line.split(' ').nth(2).unwrap().parse().unwrap();
            break;
        }
        assert!(line.contains(" ignored: "), "{line}");
        told += 1;
    }
    // The panic came last, and is lost as well.
    assert_eq!(told + lost, LINES + 1);
    assert!(told > 1000 && lost > 1000, "{told} told, {lost} lost");
    let (status, ..) = node.finish();
    assert!(status.success());
}

#[test]
fn a_node_ends_though_nobody_reads_its_standard_error() {
    let node = told_of(20_000, probe(&[]));
    let (status, ..) = node.finish();
    assert!(status.success());
}

#[test]
fn pipes_that_were_set_not_to_wait_lose_nothing() {
    const REQUESTS: usize = 3_000;
    let (stdin, mut input) = io::pipe().unwrap();
    let (output, stdout) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&stdin, true).unwrap();
    rustix::io::ioctl_fionbio(&stdout, true).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_turns"))
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .unwrap();
    let writer = thread::spawn(move || {
        let init = json!({"type": "init", "msg_id": 0, "node_id": "n1", "node_ids": ["n1"]});
        for id in 0..REQUESTS {
            // Now and then far more than a pipe holds.
            let length = if id % 1000 == 500 { 1 << 20 } else { id % 300 };
            let echo = json!({"type": "echo", "echo": "x".repeat(length), "msg_id": id});
            let body = if id == 0 { &init } else { &echo };
            let line = json!({"src": "c1", "dest": "n1", "body": body}).to_string() + "\n";
            input.write_all(line.as_bytes()).unwrap();
        }
    });
    let mut answers = String::new();
    BufReader::new(output).read_to_string(&mut answers).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    let ids = answers.lines().map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        message["body"]["in_reply_to"].as_u64().unwrap()
    });
    assert!(
        ids.eq(0..REQUESTS as u64),
        "each is answered once, in order"
    );
}
