//! The broadcast binary answers what the real Maelstrom sent to five nodes.
//!
//! `recordings/nX.in.jsonl` is every line that Maelstrom 0.2.4 wrote to node
//! X in a run of challenge 3b with somebody else's node on all five places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::thread;

use glomer_tests::Process;
use serde_json::Value;

#[test]
fn every_client_request_of_a_recorded_run_is_answered() {
    let mut reads = 0;
    for node_id in ["n0", "n1", "n2", "n3", "n4"] {
        let file = format!("recordings/{node_id}.in.jsonl");
        let input = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();

        // What a right node answers, by client and `msg_id`.
        let mut expected = BTreeMap::new();
        let mut values = BTreeSet::new();
        for line in input.lines() {
            let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let (src, body) = (message["src"].as_str().unwrap(), &message["body"]);
            let kind = body["type"].as_str().unwrap();
            if kind == "broadcast" {
                values.insert(body["message"].as_u64().unwrap());
            }
            if src.starts_with('c') {
                let id = body["msg_id"].as_u64().unwrap();
                let read = (kind == "read").then(|| values.clone());
                let answer = (format!("{kind}_ok"), read);
                assert!(expected.insert((src.to_string(), id), answer).is_none());
            }
        }
        assert!(
            expected.len() > 30,
            "the recording of {node_id} has requests"
        );

        let mut node = Process::start(env!("CARGO_BIN_EXE_broadcast-node"), &[]);
        let mut stdin = node.take_stdin();
        let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
        let (status, answers, stderr) = node.finish();
        writer.join().unwrap().unwrap();
        assert!(status.success());
        assert_eq!(stderr, "");

        for answer in answers {
            assert_eq!(answer["src"], node_id);
            let (dest, body) = (answer["dest"].as_str().unwrap(), &answer["body"]);
            if !dest.starts_with('c') {
                continue;
            }
            let id = body["in_reply_to"].as_u64().unwrap();
            let (kind, read) = expected
                .remove(&(dest.to_string(), id))
                .unwrap_or_else(|| panic!("{answer} answers nothing that is open"));
            assert_eq!(body["type"], kind);
            if let Some(values) = read {
                reads += 1;
                let got = body["messages"].as_array().unwrap();
                let set: BTreeSet<_> = got.iter().map(|value| value.as_u64().unwrap()).collect();
                assert_eq!(set.len(), got.len(), "no value twice");
                assert_eq!(set, values, "{node_id}, request {id} of {dest}");
            }
        }
        assert!(expected.is_empty(), "{node_id} did not answer {expected:?}");
    }
    assert_eq!(reads, 98, "as many as Maelstrom counted");
}
