//! The command as people use it: options, exit codes, what is printed and what is kept.
//!
//! The node is a shell script that knows `init` and `echo`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// An echo node. Its messages have the form that the workbench writes; it writes to standard
/// error what it was started with.
const NODE: &str = r#"#!/bin/sh
echo "started with $*" >&2
while read -r line; do
  id=$(echo "$line" | sed 's/.*"msg_id":\([0-9]*\).*/\1/')
  src=$(echo "$line" | sed 's/.*"src":"\([^"]*\)".*/\1/')
  dest=$(echo "$line" | sed 's/.*"dest":"\([^"]*\)".*/\1/')
  case "$line" in
    *'"type":"init"'*) body="\"type\":\"init_ok\"" ;;
    *) text=$(echo "$line" | sed 's/.*"echo":"\([^"]*\)".*/\1/')
       body="\"type\":\"echo_ok\",\"echo\":\"$text\"" ;;
  esac
  echo "{\"src\":\"$dest\",\"dest\":\"$src\",\"body\":{$body,\"in_reply_to\":$id}}"
done
"#;

/// A directory with the node in it, where runs are kept, too.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node.sh");
        fs::write(&node, NODE).unwrap();
        fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
        Place { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn glomer(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_glomer"))
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    /// A short echo run with more options.
    fn echo(&self, args: &[&str]) -> Output {
        let echo = "test -w echo --bin node.sh --node-count 2 --time-limit 1 --rate 20";
        let all: Vec<&str> = echo.split(' ').chain(args.iter().copied()).collect();
        self.glomer(&all)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_run_prints_its_results_and_keeps_everything() {
    let place = Place::new();
    let output = place.echo(&["--seed", "5"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        text.starts_with("{:exceptions {:valid? true},\n :stats {:valid? true,"),
        "{text}"
    );
    assert!(
        text.ends_with("Everything looks good! ヽ(‘ー`)ノ\n"),
        "{text}"
    );
    assert!(text.contains(":seed 5"));
    assert!(stderr(&output).contains("echo with seed 5"));

    for latest in ["store/latest", "store/echo/latest"] {
        let dir = place.path(latest);
        for file in [
            "results.edn",
            "results.json",
            "history.edn",
            "history.jsonl",
            "index.html",
            "messages.svg",
            "latency.svg",
            "rate.svg",
        ] {
            assert!(!read(&dir.join(file)).is_empty(), "{file}");
        }
        assert_eq!(read(&dir.join("node-logs/n1.log")), "started with \n");
    }
    let dir = place.path("store/latest");
    assert!(text.starts_with(read(&dir.join("results.edn")).trim_end()));
    let results: Value = serde_json::from_str(&read(&dir.join("results.json"))).unwrap();
    assert_eq!(results["valid?"], true);
    // init and every operation: a request and an answer each.
    let count = results["stats"]["count"].as_u64().unwrap();
    assert!(count > 5);
    assert_eq!(results["net"]["all"]["send-count"], 2 * (2 + count));
    assert_eq!(results["net"]["servers"]["msg-count"], 0);
    assert_eq!(results["lateness"]["count"], 2 + count);

    // What is kept can be checked again.
    for history in ["history.edn", "history.jsonl"] {
        let path = dir.join(history);
        let checked = place.glomer(&["check", "-w", "echo", path.to_str().unwrap()]);
        assert_eq!(
            checked.status.code(),
            Some(0),
            "{history}: {}",
            stderr(&checked)
        );
    }
}

#[test]
fn the_seed_repeats_operations() {
    let place = Place::new();
    let values = |seed: &str, store: &str| {
        let output = place.echo(&["--seed", seed, "--store", store]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let history = read(&place.path(store).join("latest/history.jsonl"));
        let ops = history
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let invoked = ops.filter(|op| op["type"] == "invoke");
        invoked
            .map(|op| op["value"].to_string())
            .collect::<Vec<_>>()
    };
    let (one, same, other) = (values("1", "a"), values("1", "b"), values("2", "c"));
    // A slow machine may not get to the last ones, so only the first ones count.
    assert!(one.len() > 5 && same.len() > 5 && other.len() > 5);
    assert!(
        one.iter().zip(&same).all(|(one, same)| one == same),
        "{one:?} {same:?}"
    );
    assert!(one.iter().zip(&other).any(|(one, other)| one != other));
}

#[test]
fn json_is_all_that_is_printed_when_asked_for() {
    let place = Place::new();
    let output = place.echo(&["--json", "--quiet"]);
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results["workload"]["valid?"], true);
    assert_eq!(stderr(&output), "");
    assert_eq!(
        results,
        serde_json::from_str::<Value>(&read(&place.path("store/latest/results.json"))).unwrap()
    );
}

#[test]
fn arguments_reach_the_node_and_logs_the_user() {
    let place = Place::new();
    let output = place.echo(&[
        "--log-stderr",
        "--log-net-send",
        "--log-net-recv",
        "--",
        "--flag",
        "two words",
    ]);
    let said = stderr(&output);
    assert!(said.contains("n0: started with --flag two words"), "{said}");
    assert!(
        said.contains(r#"send {"id":0,"src":"c0","dest":"n0","body":{"msg_id":1,"#),
        "{said}"
    );
    assert!(
        said.contains(r#"recv {"id":0,"src":"c0","dest":"n0","body":{"msg_id":1,"#),
        "{said}"
    );
}

#[test]
fn several_runs_have_seeds_in_a_row_and_one_exit_code() {
    let place = Place::new();
    let output = place.echo(&["--runs", "2", "--seed", "10"]);
    assert_eq!(output.status.code(), Some(0));
    let said = stderr(&output);
    assert!(
        said.contains("echo with seed 10") && said.contains("echo with seed 11"),
        "{said}"
    );
    assert!(
        said.contains("2 runs: 2 valid, 0 invalid, 0 unknown, 0 not completed"),
        "{said}"
    );
    let kept = fs::read_dir(place.path("store/echo")).unwrap().count();
    assert_eq!(kept, 3, "two runs and a link");
}

#[test]
fn until_failure_stops_at_the_first_run_that_fails() {
    let place = Place::new();
    // A node that answers nothing but init.
    let silent = NODE.replace("*) text=", "*) continue; text=");
    fs::write(place.path("node.sh"), silent).unwrap();
    let output = place.echo(&["--until-failure", "--runs", "50", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("1 runs: 0 valid, 1 invalid"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn bad_usage_is_explained_and_ends_with_255() {
    let place = Place::new();
    let cases = [
        ("", "--bin <PATH>"),
        ("--bin node.sh -w nope", "nope"),
        ("--bin nothing", "--bin nothing: No such file"),
        ("--bin .", "this is a directory"),
        ("--bin node.sh --package p", "cannot be used with"),
        ("--bin node.sh --node-count 0", "must be an integer above 0"),
        (
            "--bin node.sh --concurrency 2x",
            "must be an integer above 0, optionally followed by n",
        ),
        (
            "--bin node.sh --concurrency 0n",
            "must be an integer above 0, optionally followed by n",
        ),
        ("--bin node.sh --time-limit 0", "must be an integer above 0"),
        ("--bin node.sh --rate -1", "must be a number from 0 upwards"),
        (
            "--bin node.sh --rate many",
            "must be a number from 0 upwards",
        ),
        ("--bin node.sh --latency -1", "--latency"),
        (
            "--bin node.sh --latency-dist flat",
            "constant, uniform, exponential",
        ),
        (
            "--bin node.sh --nemesis fire",
            "partition, kill, pause, loss, duplicate, slow",
        ),
        (
            "--bin node.sh --nemesis-interval 0",
            "must be a number above 0",
        ),
        (
            "--bin node.sh --topology star",
            "line, grid, tree, tree2, tree3, tree4, total",
        ),
        ("--bin node.sh --availability 2", "--availability"),
        ("--bin node.sh --consistency-models nice", "nice"),
        ("--bin node.sh --p-loss 1.5", "must be a number from 0 to 1"),
        ("--bin node.sh -w lin-kv", "use --concurrency 2n"),
        ("--bin node.sh extra", "extra"),
    ];
    for (options, part) in cases {
        let command = format!("test -w echo {options}");
        let output = place.glomer(&command.split_whitespace().collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(255), "{options}");
        assert!(
            stderr(&output).contains(part),
            "{options}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(place.glomer(&["tset"]).status.code(), Some(255));
    fs::set_permissions(place.path("node.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = place.echo(&[]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("try chmod +x node.sh"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_and_version_end_well() {
    let place = Place::new();
    for args in [
        &["--help"][..],
        &["test", "--help"],
        &["--version"],
        &["check", "--help"],
    ] {
        let output = place.glomer(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty());
    }
    let help = stdout(&place.glomer(&["test", "--help"]));
    for (option, default) in [
        ("--workload", "lin-kv"),
        ("--time-limit", "60"),
        ("--rate", "5"),
        ("--latency ", "0"),
        ("--latency-dist", "constant"),
        ("--concurrency", "1n"),
        ("--nemesis-interval", "10"),
        ("--topology", "grid"),
        ("--consistency-models", "strict-serializable"),
        ("--max-txn-length", "4"),
        ("--max-writes-per-key", "16"),
        ("--recovery-time", "10"),
    ] {
        let described = help
            .split(option)
            .nth(1)
            .and_then(|rest| rest.split("[default: ").nth(1));
        let shown = described.and_then(|rest| rest.split(']').next());
        assert_eq!(shown, Some(default), "{option}");
    }
}

#[test]
fn a_program_that_cannot_run_is_named() {
    let place = Place::new();
    fs::write(place.path("node.sh"), "#!/no/such/interpreter\n").unwrap();
    let output = place.echo(&[]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("n0 could not be started"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn packages_and_examples_are_built_and_run() {
    let place = Place::new();
    let start = r#"
use std::os::unix::process::CommandExt;

fn main() {
    let node = concat!(env!("CARGO_MANIFEST_DIR"), "/node.sh");
    panic!("{}", std::process::Command::new(node).exec());
}
"#;
    let manifest = "[package]\nname = \"tiny\"\nedition = \"2024\"\n\n[workspace]\n";
    for (file, contents) in [
        ("Cargo.toml", manifest),
        ("src/main.rs", start),
        ("examples/small.rs", start),
    ] {
        let path = place.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    let test = |options: &str| {
        let short = "test -w echo --node-count 1 --time-limit 1 --rate 20 --quiet";
        place.glomer(
            &short
                .split(' ')
                .chain(options.split(' '))
                .collect::<Vec<_>>(),
        )
    };
    for options in [
        "--package tiny",
        "--example small",
        "--package tiny --example small",
    ] {
        let output = test(options);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{options}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).contains(":count "));
    }
    let output = test("--package huge");
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("huge"), "{}", stderr(&output));
}
