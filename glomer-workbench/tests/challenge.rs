//! `glomer challenge`: official options, targets, and what is done.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const GLOMER: &str = env!("CARGO_BIN_EXE_glomer");

fn glomer(place: &Path, args: &[&str]) -> Output {
    Command::new(GLOMER)
        .arg("challenge")
        .args(args)
        .current_dir(place)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A node in virtual time that passes values on once a second, but for some.
fn node(place: &Path, keep_back: &str) -> PathBuf {
    let path = place.join("node.py");
    let text = include_str!("nodes/batch.py").replace("KEEP_BACK", keep_back);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn outcome(output: &Output) -> Value {
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    outcomes[0].clone()
}

#[test]
fn all_challenges_are_listed_with_what_is_done() {
    let place = tempfile::tempdir().unwrap();
    let node = node(place.path(), "False");
    let args = [
        "3a",
        "--clock",
        "virtual",
        "--seed",
        "1",
        "--bin",
        node.to_str().unwrap(),
    ];
    let ran = glomer(place.path(), &args);
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{}{}",
        stdout(&ran),
        stderr(&ran)
    );
    let said = stdout(&ran);
    assert!(said.contains("3a is valid.\n"), "{said}");
    assert!(said.ends_with("Challenge 3a is done.\n"), "{said}");
    assert!(
        said.contains("glomer test -w broadcast --node-count 1 --time-limit 20 --rate 10 --bin "),
        "{said}"
    );

    let listed = stdout(&glomer(place.path(), &[]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 14, "{listed}");
    assert_eq!(lines[0], "1   Echo");
    assert!(
        lines[2].starts_with("3a  ") && lines[2].ends_with(" done"),
        "{listed}"
    );
}

#[test]
fn a_target_that_is_missed_is_told_with_its_figure() {
    let place = tempfile::tempdir().unwrap();
    let node = node(place.path(), "False");
    let args = ["--clock", "virtual", "--seed", "1", "--json", "--bin"];
    let args = [&["3d"], &args[..], &[node.to_str().unwrap()]].concat();
    let ran = glomer(place.path(), &args);
    // A second is too long, though it takes few messages.
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
    let outcome = outcome(&ran);
    assert_eq!(outcome["verdict"], "valid", "{outcome}");
    assert_eq!(outcome["done"], false);
    let met: Vec<bool> = outcome["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["met"].as_bool().unwrap())
        .collect();
    assert_eq!(met, [true, false, false], "{outcome}");
    assert!(
        outcome["targets"][1]["figure"].as_f64() > Some(400.0),
        "{outcome}"
    );
    let listed = stdout(&glomer(place.path(), &[]));
    assert!(
        listed.lines().nth(5).unwrap().ends_with(" not yet"),
        "{listed}"
    );
}

#[test]
fn what_is_not_valid_says_why() {
    let place = tempfile::tempdir().unwrap();
    let node = node(place.path(), "value % 7 == 3");
    let args = [
        "3b",
        "--clock",
        "virtual",
        "--seed",
        "1",
        "--bin",
        node.to_str().unwrap(),
    ];
    let ran = glomer(place.path(), &args);
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
    let said = stdout(&ran);
    assert!(said.contains("3b is invalid.\n"), "{said}");
    assert!(said.contains(" is lost"), "{said}");
    assert!(said.ends_with("Challenge 3b is not done yet.\n"), "{said}");
}

#[test]
fn programs_are_looked_for_by_name() {
    let place = tempfile::tempdir().unwrap();
    let ran = glomer(place.path(), &["1"]);
    assert_eq!(ran.status.code(), Some(255));
    assert!(
        stderr(&ran).contains("name it with --bin PATH"),
        "{}",
        stderr(&ran)
    );

    let manifest = "[package]\nname = \"learner\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(place.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir_all(place.path().join("src/bin")).unwrap();
    // It ends at once, which is told of the program, not of the search for it.
    let source = place.path().join("src/bin/maelstrom-unique-ids.rs");
    fs::write(source, "fn main() {}").unwrap();
    let ran = glomer(place.path(), &["1"]);
    assert_eq!(ran.status.code(), Some(255));
    let text = stderr(&ran);
    assert!(
        text.contains("no binary or example of this workspace is named like challenge 1 (echo)"),
        "{text}"
    );
    let ran = glomer(place.path(), &["2"]);
    assert_eq!(ran.status.code(), Some(255), "{}", stderr(&ran));
    assert!(
        stdout(&ran).contains("2 is broken.\n"),
        "{}{}",
        stdout(&ran),
        stderr(&ran)
    );
}

#[test]
fn the_workflow_grades_what_a_learner_has() {
    let place = tempfile::tempdir().unwrap();
    let node = node(place.path(), "False");
    let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/../challenges/grade.yml");
    let workflow = fs::read_to_string(workflow).unwrap();
    let read = |file| fs::read_to_string(place.path().join(file)).unwrap();
    let (_, step) = workflow
        .split_once("- name: Grade\n        run: |\n")
        .unwrap();
    let lines = step
        .lines()
        .map_while(|line| line.strip_prefix("          "));
    let script: String = lines.map(|line| format!("{line}\n")).collect();
    let path = std::env::var("PATH").unwrap();
    let glomer = Path::new(GLOMER).parent().unwrap().display();
    let grade = |challenges: &str, program: &str| {
        Command::new("bash")
            .args(["-e", "-c", &script])
            .current_dir(place.path())
            .env("PATH", format!("{glomer}:{path}"))
            .env("CHALLENGES", challenges)
            .env("PROGRAM", program)
            .env("CLOCK", "virtual")
            .env("GITHUB_STEP_SUMMARY", "summary.md")
            .output()
            .unwrap()
    };
    let graded = grade("3a", node.to_str().unwrap());
    assert_eq!(graded.status.code(), Some(0), "{}", stderr(&graded));
    let summary = read("summary.md");
    assert_eq!(summary, stdout(&graded));
    let mut lines = summary.lines();
    let state = lines.find(|line| line.starts_with("3a ")).unwrap();
    assert!(state.ends_with(" done"), "{summary}");
    let outcome: Value = serde_json::from_str(&read("3a.json")).unwrap();
    assert_eq!(outcome[0]["done"], true, "{outcome}");

    // There is none for this one, and all others are graded all the same.
    let graded = grade("1 3a", "");
    assert_eq!(graded.status.code(), Some(1), "{}", stderr(&graded));
    assert!(
        stdout(&graded).contains("1   Echo\n"),
        "{}",
        stdout(&graded)
    );
}
