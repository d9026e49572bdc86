//! `glomer check`, the command.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use glomer_workbench::edn::Edn;
use glomer_workbench::history::History;

fn recorded(name: &str) -> String {
    let file = format!("tests/histories/{name}/history.edn");
    format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn check(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_glomer"))
        .arg("check")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_valid_history_is_0() {
    let output = check(&["-w", "g-counter", &recorded("gcounter_ok")], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let results = Edn::parse(text(&output.stdout)).unwrap();
    let keys: Vec<&str> = results
        .as_map()
        .unwrap()
        .iter()
        .filter_map(|(key, _)| key.name())
        .collect();
    assert_eq!(
        keys,
        ["exceptions", "stats", "availability", "workload", "valid?"]
    );
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn an_invalid_history_is_1() {
    let output = check(&["-w", "pn-counter", &recorded("pn_lossy")], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn what_cannot_be_told_is_2() {
    // The element was added, but nobody read.
    let history = r#"{:type :invoke, :process 0, :f :broadcast, :value 3}
        {:type :ok, :process 0, :f :broadcast, :value 3}"#;
    let output = check(&["-w", "broadcast", "-"], history);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn options_change_what_is_asked_of_the_history() {
    let dirty = recorded("append_dirty");
    for (models, code) in [
        ("read-uncommitted", 0),
        ("read-uncommitted,read-committed", 1),
        ("PL-2", 1),
    ] {
        let args = [
            "-w",
            "txn-list-append",
            "--consistency-models",
            models,
            &dirty,
        ];
        assert_eq!(check(&args, "").status.code(), Some(code), "{models}");
    }
    let kafka = recorded("kafka_ok");
    for (availability, code) in [("total", 1), ("0.999", 1), ("0.99", 0)] {
        let args = ["-w", "kafka", "--availability", availability, &kafka];
        assert_eq!(check(&args, "").status.code(), Some(code), "{availability}");
    }
}

#[test]
fn json_has_the_same_results_from_either_notation() {
    let edn = std::fs::read_to_string(recorded("lin_stale")).unwrap();
    let jsonl = edn.parse::<History>().unwrap().to_jsonl().unwrap();
    let from_edn = check(&["-w", "lin-kv", "--json", "-"], &edn);
    let from_jsonl = check(&["-w", "lin-kv", "--json", "-"], &jsonl);
    assert_eq!(text(&from_edn.stdout), text(&from_jsonl.stdout));
    let results: serde_json::Value = serde_json::from_slice(&from_edn.stdout).unwrap();
    assert_eq!(results["workload"]["failures"], serde_json::json!([0]));
    assert_eq!(results["valid?"], serde_json::json!(false));
}

#[test]
fn bad_usage_is_255_and_says_what_to_do() {
    let history = recorded("pn_lossy");
    for (args, message) in [
        (
            ["-w", "brodcast", &history].as_slice(),
            "[possible values: echo, unique-ids, broadcast, g-set, g-counter, pn-counter, lin-kv",
        ),
        (
            &["-w", "kafka", "--availability", "1.5", &history],
            "neither `total` nor a number between 0 and 1",
        ),
        (
            &[
                "-w",
                "txn-list-append",
                "--consistency-models",
                "serialisable",
                &history,
            ],
            "no consistency model is called `serialisable`, there are",
        ),
        (&[&history], "--workload <NAME>"),
        (
            &["-w", "kafka", "no/such/file"],
            "no/such/file: No such file",
        ),
    ] {
        let output = check(args, "");
        assert_eq!(output.status.code(), Some(255), "{output:?}");
        assert!(text(&output.stderr).contains(message), "{output:?}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = check(&["-w", "kafka", "-"], "{:type :invoke\n :f ?");
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("-: line 1, column 1: never closed with `}`"));
}

#[test]
fn the_history_of_one_key_is_taken_as_jepsen_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let keep = |key: &str, read: i64| {
        let place = dir.path().join("independent").join(key);
        std::fs::create_dir_all(&place).unwrap();
        let file = place.join("history.edn");
        let history = format!(
            "{{:index 4, :type :invoke, :process 0, :f :write, :value 3}}
             {{:index 5, :type :info, :process :nemesis, :f :start-partition, :value nil}}
             {{:index 8, :type :ok, :process 0, :f :write, :value 3}}
             {{:index 9, :type :invoke, :process 1, :f :cas, :value [3 4]}}
             {{:index 10, :type :ok, :process 1, :f :cas, :value [3 4]}}
             {{:index 12, :type :invoke, :process 0, :f :read, :value nil}}
             {{:index 13, :type :ok, :process 0, :f :read, :value {read}}}"
        );
        std::fs::write(&file, history).unwrap();
        check(&["-w", "lin-kv", file.to_str().unwrap()], "")
    };
    let right = keep("7", 4);
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    let wrong = keep("8", 3);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(text(&wrong.stdout).contains(":failures [8]"), "{wrong:?}");
}

#[test]
fn warnings_stand_in_the_results() {
    let history = "{:type :invoke, :process 0, :f :txn, :value [[:r 1 nil]]}
        {:type :ok, :process 0, :f :txn, :value [[:r 1 0]]}
        {:type :invoke, :process 0, :f :txn, :value [[:r 1 nil]]}
        {:type :ok, :process 0, :f :txn, :value [[:r 1 0]]}";
    let output = check(&["-w", "txn-rw-register", "-"], history);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let results = Edn::parse(text(&output.stdout)).unwrap();
    let warnings = results.get("warnings").unwrap().as_seq().unwrap();
    assert!(warnings[0].name().unwrap().starts_with("reads returned 0"));
    assert_eq!(results.get("workload").unwrap().get("warnings"), None);
}

#[test]
fn what_is_wrong_is_told_in_words_beside_the_results() {
    let output = check(&["-w", "broadcast", &recorded("bcast_lossy")], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "Why: value 3 is lost.\n  \
         The node of process 4 acknowledged it at 0.319 s (operation 8).\n  \
         The node of process 4 returned it to the read of 20.046 s (operation 405).\n  \
         The final read of 20.047 s by the node of process 1 (operation 406) does not have it. \
         So with 5 other values.\n"
    );
    let results = Edn::parse(text(&output.stdout)).unwrap();
    let reasons = results.get("why").unwrap().as_seq().unwrap();
    assert_eq!(
        reasons[0].get("what").and_then(Edn::name),
        Some("value 3 is lost")
    );
    assert_eq!(
        reasons[0].get("because").unwrap().as_seq().unwrap().len(),
        3
    );
    assert_eq!(
        reasons[0].get("operations"),
        Some(&Edn::vector([8, 405, 406]))
    );
}
