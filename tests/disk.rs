//! The disk of real processes.

use std::io::{BufRead, Read};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use glomer_runtime::Rng;
use glomer_tests::Process;
use serde_json::{Value, json};

/// A node with a disk in this folder.
fn journal(folder: &Path) -> Process {
    let mut node = unasked(folder);
    node.init();
    node
}

/// The same before anybody said anything to it.
fn unasked(folder: &Path) -> Process {
    let disk = [("GLOMER_DISK", folder.to_str().unwrap())];
    Process::start(env!("CARGO_BIN_EXE_journal"), &disk)
}

fn values(node: &mut Process) -> Vec<Value> {
    node.send(json!({"type": "read", "msg_id": 1}));
    let answer = node.receive_type("read_ok");
    answer["values"].as_array().unwrap().clone()
}

fn adds(values: Range<u64>) -> String {
    let lines = values.map(|value| {
        let body = json!({"type": "add", "msg_id": value + 2, "value": value});
        format!("{}\n", json!({"src": "c1", "dest": "n1", "body": body}))
    });
    lines.collect()
}

/// Kills a node with SIGKILL under load, so often, and looks each time for what it had
/// acknowledged before. This shows that it writes before it answers; that what it wrote is
/// durable by then, no kill of a process can show.
fn kill_under_load(times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let rng = Rng::seeded(times);
    let mut kept = 0;
    for round in 0..times {
        let mut node = journal(folder.path());
        let found = values(&mut node);
        let len = found.len() as u64;
        assert!(found.into_iter().eq((0..len).map(Value::from)));
        assert!(len >= kept, "round {round}: {len} of {kept}");
        // As many as pipes take, so that it is at work when it dies.
        let count = 500;
        node.write(adds(len..len + count).as_bytes());
        kept = len;
        for _ in 0..rng.below(count) {
            kept = node.receive_type("add_ok")["number"].as_u64().unwrap() + 1;
        }
        for answer in node.kill() {
            assert_eq!(answer["body"]["number"], kept, "round {round}");
            kept += 1;
        }
    }
    assert!(kept > 100 * times, "{kept}");
}

#[test]
fn what_a_killed_process_acknowledged_is_there_when_it_starts_anew() {
    kill_under_load(20);
}

#[test]
#[ignore = "a soak, described in CONTRIBUTING.md"]
fn what_a_process_acknowledged_survives_two_hundred_kills() {
    kill_under_load(200);
}

#[test]
fn without_a_folder_a_node_that_asks_for_a_disk_stops_with_words() {
    let mut node = Process::start(env!("CARGO_BIN_EXE_journal"), &[]);
    node.init();
    let (status, messages, stderr) = node.finish();
    assert_eq!(status.code(), Some(1));
    assert_eq!(messages, [] as [Value; 0]);
    assert!(
        stderr.contains("set GLOMER_DISK to a folder of its own"),
        "{stderr}"
    );

    let memory = [("JOURNAL_IN_MEMORY", "")];
    let mut node = Process::start(env!("CARGO_BIN_EXE_journal"), &memory);
    node.init();
    node.send(json!({"type": "add", "value": 7, "msg_id": 1}));
    assert_eq!(node.receive_type("add_ok")["number"], 0);
    let (status, _, stderr) = node.finish();
    assert!(status.success() && stderr.is_empty(), "{stderr}");
}

/// Adds to the log of a node whose files may have so many blocks of 512 bytes, which is as good
/// as a full disk, until the node ends. How much it acknowledged, and what it said.
fn fill(folder: &Path, blocks: u32) -> (u64, String) {
    let limited = r#"trap "" XFSZ; ulimit -f "$1"; exec "$0""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", limited, env!("CARGO_BIN_EXE_journal")]);
    shell.arg(blocks.to_string()).env("GLOMER_DISK", folder);
    let mut node = Process::spawn(shell.stderr(Stdio::piped()));
    node.init();
    node.receive_type("init_ok");
    let (mut kept, mut asked) = (0, 0);
    while kept == asked {
        asked += 10;
        assert!(asked < 1_000, "no end of {kept}");
        node.write(adds(kept..asked).as_bytes());
        for answer in node.stdout.by_ref().lines().take(10) {
            let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
            assert_eq!(answer["body"]["number"], kept);
            kept += 1;
        }
    }
    let (status, messages, stderr) = node.finish();
    assert_eq!((status.code(), messages.len()), (Some(1), 0), "{stderr}");
    (kept, stderr)
}

#[test]
fn on_a_full_disk_a_node_stops_with_words_and_what_it_acknowledged_is_kept() {
    for (blocks, file) in [(8, "disk"), (0, "disk.new")] {
        let folder = tempfile::tempdir().unwrap();
        let (kept, stderr) = fill(folder.path(), blocks);
        assert_eq!(kept > 50, blocks > 0, "{kept}");
        let said = format!("{}: File too large", folder.path().join(file).display());
        assert!(stderr.contains(&said), "{stderr}");
        assert!(
            stderr.ends_with("; the node stops, and what waited for the disk is not sent\n"),
            "{stderr}"
        );

        let mut node = journal(folder.path());
        assert!(values(&mut node).into_iter().eq((0..kept).map(Value::from)));
        node.write(adds(kept..kept + 1).as_bytes());
        assert_eq!(node.receive_type("add_ok")["number"], kept);
    }
}

#[test]
fn a_second_process_on_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = journal(folder.path());
    assert_eq!(values(&mut first), [] as [Value; 0]);
    let (status, _, stderr) = unasked(folder.path()).finish();
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("another process has this folder"),
        "{stderr}"
    );
    assert!(first.finish().0.success());
}

#[test]
fn a_damaged_file_is_refused_by_name_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = journal(folder.path());
    node.send(json!({"type": "add", "value": 7, "msg_id": 1}));
    node.receive_type("add_ok");
    node.finish();
    let file = folder.path().join("disk");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (status, messages, stderr) = unasked(folder.path()).finish();
    assert_eq!((status.code(), messages.len()), (Some(1), 0));
    let place = format!("{}: damaged at byte 14: ", file.display());
    assert!(stderr.contains(&place), "{stderr}");
}
