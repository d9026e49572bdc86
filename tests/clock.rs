//! Virtual time over standard input and output: real processes that get their time in turns.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::thread;

use glomer_tests::Process;
use serde_json::{Value, json};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/nodes/turns.py");

const SECOND: u64 = 1_000_000_000;

/// A turn, and what it brings: messages of `c1`, by their bodies.
type Turn = (u64, Vec<Value>);

/// A node in virtual time.
struct Node {
    process: Process,
    turns: u64,
}

impl Node {
    /// Starts a program and greets it with a seed.
    fn start(program: &str, seed: u64) -> Node {
        let process = Process::start(program, &[]);
        let mut node = Node { process, turns: 0 };
        let greeted = node.turn_with(json!({"now": 0, "messages": 0, "seed": seed}), &[]);
        let reply = json!({"type": "clock_ok", "in_reply_to": 1, "next": null});
        assert_eq!(
            greeted,
            [json!({"src": "n1", "dest": "clock", "body": reply})]
        );
        node
    }

    fn write(&mut self, src: &str, body: &Value) {
        let line = json!({"src": src, "dest": "n1", "body": body});
        self.process.write(format!("{line}\n").as_bytes());
    }

    /// Gives it a turn; what it writes in it, with the end of the turn.
    fn turn(&mut self, now: u64, messages: &[Value]) -> Vec<Value> {
        self.turn_with(json!({"now": now, "messages": messages.len()}), messages)
    }

    fn turn_with(&mut self, mut turn: Value, messages: &[Value]) -> Vec<Value> {
        self.turns += 1;
        turn["type"] = "clock".into();
        turn["msg_id"] = self.turns.into();
        self.write("clock", &turn);
        for message in messages {
            self.write("c1", message);
        }
        let mut written = Vec::new();
        loop {
            let message = self.process.receive();
            let done = message["dest"] == "clock";
            written.push(message);
            if done {
                return written;
            }
        }
    }
}

/// All that a program writes in these turns, as bytes.
fn transcript(program: &str, seed: u64, turns: &[Turn]) -> String {
    let mut input = String::new();
    let mut write = |src: &str, body: Value| {
        let line = json!({"src": src, "dest": "n1", "body": body});
        writeln!(input, "{line}").unwrap();
    };
    let greeting = json!({"now": 0, "messages": 0, "seed": seed, "msg_id": 1, "type": "clock"});
    write("clock", greeting);
    for (number, (now, messages)) in turns.iter().enumerate() {
        let count = messages.len();
        let turn = json!({"now": now, "messages": count, "msg_id": number + 2, "type": "clock"});
        write("clock", turn);
        messages.iter().for_each(|body| write("c1", body.clone()));
    }
    let mut process = Process::start(program, &[]);
    // The node may write more than its pipe takes before it has read everything.
    let mut stdin = process.take_stdin();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let mut transcript = String::new();
    process.stdout.read_to_string(&mut transcript).unwrap();
    writer.join().unwrap();
    let (status, _, stderr) = process.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(stderr, "");
    transcript
}

fn init() -> Value {
    json!({"type": "init", "msg_id": 0, "node_id": "n1", "node_ids": ["n1", "n2"]})
}

fn bodies(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .map(|message| message["body"].clone())
        .collect()
}

#[test]
fn everything_that_takes_time_follows_the_turns() {
    let mut node = Node::start(PROBE, 1);
    let started = node.turn(5 * SECOND, &[init()]);
    let beat = 5 * SECOND + 1_000_000;
    assert_eq!(
        bodies(&started),
        [
            json!({"type": "init_ok", "in_reply_to": 0}),
            json!({"type": "clock_ok", "in_reply_to": 2, "next": beat}),
        ]
    );
    // Time stands still, however long that takes: no beat.
    let idle = node.turn(beat - 1, &[]);
    assert_eq!(idle[0]["body"]["next"], beat);
    // What is due comes before the messages.
    let naps = [
        json!({"type": "nap", "ms": 3_000, "msg_id": 7}),
        json!({"type": "ask", "peer": "n2", "msg_id": 8}),
    ];
    let asked = node.turn(beat, &naps);
    let kinds: Vec<&Value> = asked
        .iter()
        .map(|message| &message["body"]["type"])
        .collect();
    assert_eq!(kinds, ["beat", "nap", "clock_ok"]);
    // Three beats, one for each turn that is late, and then an hour goes by at once.
    let kinds = |messages: Vec<Value>| -> Vec<String> {
        let kinds = messages.iter().map(|message| &message["body"]["type"]);
        kinds
            .map(|kind| kind.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(node.turn(7 * SECOND, &[])), ["beat", "clock_ok"]);
    let late = node.turn(9 * SECOND, &[]);
    assert_eq!(kinds(late), ["beat", "nap_ok", "clock_ok"]);
    let timeout = node.turn(5 * SECOND + 3_601 * SECOND, &[]);
    let error = &timeout[0]["body"];
    assert_eq!(
        (&error["in_reply_to"], &error["code"]),
        (&json!(8), &json!(0))
    );
}

#[test]
fn the_same_turns_and_seed_give_the_same_bytes() {
    let ask = |id| json!({"type": "ask", "peer": "n2", "msg_id": id});
    let echo = |size| json!({"type": "echo", "echo": "x".repeat(size), "msg_id": size});
    let turns = [
        (0, vec![init(), ask(1)]),
        (0, vec![echo(3), ask(2)]),
        // More than a pipe takes, in and out.
        (
            4 * SECOND,
            (0..300).map(|size| echo(1_000 + size)).collect(),
        ),
        (5 * SECOND, vec![ask(3)]),
    ];
    let one = transcript(PROBE, 42, &turns);
    assert_eq!(one, transcript(PROBE, 42, &turns));
    // The numbers of its requests are drawn.
    assert_ne!(one, transcript(PROBE, 43, &turns));
}

#[test]
fn a_node_in_python_speaks_it() {
    let mut node = Node::start(PYTHON, 1);
    let started = node.turn(SECOND, &[init()]);
    assert_eq!(started[1]["body"]["next"], SECOND + SECOND / 5);
    let turns: Vec<Turn> = vec![
        (0, vec![init()]),
        (
            1,
            vec![json!({"type": "broadcast", "message": 7, "msg_id": 1})],
        ),
        (SECOND / 5, vec![json!({"type": "read", "msg_id": 2})]),
    ];
    let one = transcript(PYTHON, 1, &turns);
    assert!(
        one.contains(r#""type": "gossip", "messages": [7]"#),
        "{one}"
    );
    assert_eq!(one, transcript(PYTHON, 1, &turns));
}

#[test]
fn a_turn_outside_of_virtual_time_is_a_message_like_any_other() {
    let mut node = Process::start(PROBE, &[]);
    node.init();
    let turn = json!({"type": "clock", "msg_id": 9, "now": 0, "messages": 0, "seed": 1});
    let line = json!({"src": "clock", "dest": "n1", "body": turn});
    node.write(format!("{line}\n").as_bytes());
    let error = node.receive_type("error");
    assert_eq!(error["in_reply_to"], 9);
    assert_eq!(error["code"], 10);
}

#[test]
fn a_message_outside_of_a_turn_ends_a_node_in_virtual_time() {
    let mut node = Node::start(PROBE, 1);
    node.write("c1", &init());
    let (status, written, stderr) = node.process.finish();
    assert_eq!(status.code(), Some(1));
    assert!(written.is_empty());
    assert!(stderr.contains("belongs to a turn"), "{stderr}");
}
