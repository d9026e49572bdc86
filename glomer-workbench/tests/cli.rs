//! The command as people use it: options, exit codes, what is printed and what is kept.
//!
//! The node is a shell script that knows `init` and `echo`.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use glomer_workbench::edn::Edn;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
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
            "latency.svg",
            "rate.svg",
            "run.json",
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

    let listed: Value = serde_json::from_str(&read(&dir.join("run.json"))).unwrap();
    assert_eq!(listed["verdict"], "valid");
    assert_eq!((&listed["nodes"], &listed["seed"]), (&json!(2), &json!(5)));
    let options = json!([["time-limit", "1 s"], ["rate", "20 per s"]]);
    assert_eq!(listed["options"], options);

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
fn what_nodes_report_as_errors_is_counted_and_told_even_of_a_valid_run() {
    let place = Place::new();
    let error = r#"echo "glomer error: \`echo\` at node.sh:9: no $id" >&2"#;
    let node = NODE.replace("*) text=", &format!("*) {error}; text="));
    fs::write(place.path("node.sh"), node).unwrap();
    let output = place.echo(&["--rate", "40"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let results = read(&place.path("store/latest/results.json"));
    let results: Value = serde_json::from_str(&results).unwrap();
    let errors = &results["node-errors"];
    let [first, second] = &errors["causes"].as_array().unwrap()[..] else {
        panic!("one cause for each node: {errors}");
    };
    assert_eq!(
        (&first["node"], &second["node"]),
        (&"n0".into(), &"n1".into())
    );
    let count = |cause: &Value| cause["count"].as_u64().unwrap();
    assert_eq!(errors["count"], count(first) + count(second));
    assert_eq!(results["stats"]["count"], errors["count"]);
    for cause in [first, second] {
        assert_eq!(cause["cause"], "`echo` at node.sh:9");
        let sample = cause["sample"].as_str().unwrap();
        assert!(sample.starts_with("`echo` at node.sh:9: no "), "{sample}");
        assert!(said.contains(sample), "{said}");
    }
    let others = &errors["other-lines"];
    assert_eq!(others[0]["last"][0], "started with", "{others}");
    let page = read(&place.path("store/latest/index.html"));
    assert!(page.contains("What nodes reported as errors"));
    assert!(page.contains("`echo` at node.sh:9</td>"), "{page}");
}

#[test]
fn the_reasons_of_failures_are_told() {
    let place = Place::new();
    let refused = r#"*) body='"type":"error","code":10,"text":"no handler for echo"'"#;
    let node = NODE.replace("*) text=", &format!("{refused} ;;\n    no) text="));
    fs::write(place.path("node.sh"), node).unwrap();
    let output = place.echo(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(" × echo "), "{said}");
    assert!(said.contains("no handler for echo"), "{said}");
    let results = read(&place.path("store/latest/results.json"));
    let results: Value = serde_json::from_str(&results).unwrap();
    let listed = read(&place.path("store/latest/run.json"));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["verdict"], "invalid");
    assert_eq!(listed["reason"], "what came back is not what was sent");
    let failures = results["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0]["count"], results["stats"]["count"]);
    assert_eq!(failures[0]["f"], "echo");
    assert!(
        failures[0]["sample"]
            .to_string()
            .contains("no handler for echo")
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
    for file in [
        "crate/Cargo.toml",
        "crate/main.rs",
        "in-go/go.mod",
        "in-go/main.go",
    ] {
        let path = place.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let failing = r#"{"workload":"echo","seed":1,"nodes":["n0"],"concurrency":1,"time-limit":1,
        "operations":[],"faults":[{"fault":"kill","value":"nil","begin":0.5,
        "effects":[{"disk-health":["n0","failing"]}]}]}"#;
    fs::write(place.path("disk.json"), failing).unwrap();
    let cases = [
        ("", "--bin <PATH>|--package <NAME>|--example <NAME>"),
        ("", "Example: glomer test -w broadcast --bin"),
        ("--bni node.sh", "'--bni'"),
        (
            "--bin node.sh -w brodcast",
            "[possible values: echo, unique-ids, broadcast",
        ),
        ("--bin nothing", "--bin nothing: there is no /"),
        ("--bin crate", "a folder; --package NAME builds the program"),
        ("--bin in-go", "a folder; go build makes a program of it"),
        ("--bin .", "a folder, and not the program in it"),
        ("--bin in-go/main.go", "source code; go build it"),
        ("--bin crate/main.rs", "source code; --package NAME or"),
        ("--bin crate/Cargo.toml", "not executable; try chmod +x"),
        ("--bin node.sh --package p", "cannot be used with"),
        ("--bin node.sh --node-count 0", "must be an integer above 0"),
        ("--bin node.sh --node-count 999999999999", "at most 100000"),
        (
            "--bin node.sh --concurrency 18446744073709551615n",
            "there is room for 1000000",
        ),
        ("--bin node.sh --seed -1", "must be an integer from 0 to"),
        ("--bin node.sh --store node.sh", "node.sh/echo: Not a dir"),
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
        (
            "--bin node.sh --latency -1",
            "must be an integer from 0 to 4294967295",
        ),
        (
            "--bin node.sh --latency-dist flat",
            "constant, uniform, exponential",
        ),
        ("--bin node.sh --delivery late", "in-turn, on-time"),
        (
            "--bin node.sh --nemesis fire",
            "partition, kill, pause, loss, duplicate, slow",
        ),
        (
            "--bin node.sh --nemesis skew",
            "these nodes are processes in real time",
        ),
        (
            "--bin node.sh --clock virtual --schedule disk.json",
            "has kill do DiskHealth(0, Failing); these nodes are processes, whose disks are folders",
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
        // Nobody means `-- --bni`.
        assert!(!stderr(&output).contains("-- --"), "{}", stderr(&output));
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
    let (_, help) = help.split_once("Options:").unwrap();
    for (option, default) in [
        ("--workload", "lin-kv"),
        ("--time-limit", "60"),
        ("--rate", "5"),
        ("--latency ", "0"),
        ("--latency-dist", "constant"),
        ("--delivery", "in-turn"),
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
fn a_program_that_cannot_run_is_named_with_the_way_out() {
    let place = Place::new();
    let cases = [
        ("#!/no/such/interpreter\n", "the interpreter of"),
        ("echo hello\n", "#!/usr/bin/env python3"),
    ];
    for (node, part) in cases {
        fs::write(place.path("node.sh"), node).unwrap();
        let output = place.echo(&[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(255));
        for part in ["could not be started", "/node.sh", part] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
        assert!(!said.contains("wrote nothing"), "it never ran:\n{said}");
    }
}

#[test]
fn a_missing_program_in_a_workspace_can_be_built() {
    let place = Place::new();
    let said = || stderr(&place.glomer(&["test", "-w", "echo", "--bin", "target/echo"]));
    assert!(!said().contains("--package"), "{}", said());
    fs::write(place.path("Cargo.toml"), "").unwrap();
    assert!(said().contains("--package NAME"), "{}", said());
}

#[test]
fn nodes_run_in_the_temporary_directory_which_is_told_when_one_does_not_find_a_file() {
    let place = Place::new();
    let node = NODE.replace("while read", "cat settings >&2 || exit 4\nwhile read");
    fs::write(place.path("node.sh"), node).unwrap();
    fs::create_dir(place.path("tmp")).unwrap();
    let in_tmp = || {
        Command::new(env!("CARGO_BIN_EXE_glomer"))
            .args(["test", "-w", "echo", "--bin", "node.sh"])
            .args(["--time-limit", "1"])
            .current_dir(place.dir.path())
            .env("TMPDIR", place.path("tmp"))
            .output()
            .unwrap()
    };
    let output = in_tmp();
    assert_eq!(output.status.code(), Some(255));
    let place_named = format!("Nodes run in {}", place.path("tmp").display());
    assert!(
        stderr(&output).contains(&place_named),
        "{}",
        stderr(&output)
    );
    fs::write(place.path("tmp/settings"), "").unwrap();
    assert_eq!(in_tmp().status.code(), Some(0));

    fs::remove_dir_all(place.path("tmp")).unwrap();
    let output = in_tmp();
    assert!(
        stderr(&output).contains("set TMPDIR"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn every_ending_has_its_exit_code_and_last_line() {
    let place = Place::new();
    let answers = |instead: &str| NODE.replace("*) text=", &format!("*) {instead}; text="));
    let cut_short = "The run could not be completed.";
    let invalid = "Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻";
    let unknown = "Errors occurred during analysis, but no anomalies found. ಠ~ಠ";
    let cases = [
        (NODE.to_owned(), "", 0, "Everything looks good! ヽ(‘ー`)ノ"),
        (NODE.replace("$text", "no"), "", 1, invalid),
        (answers("echo garbage"), "", 1, invalid),
        (NODE.to_owned(), "-w txn-list-append --rate 0", 2, unknown),
        (answers("exit 3"), "", 255, cut_short),
        (NODE.replace("init_ok", "no"), "", 255, cut_short),
        // The worst of several.
        (NODE.replace("$text", "no"), "--runs 2", 1, invalid),
    ];
    for (node, options, code, last) in cases {
        fs::write(place.path("node.sh"), &node).unwrap();
        let output = place.echo(&options.split_whitespace().collect::<Vec<_>>());
        let said = (output.status.code(), stdout(&output));
        assert_eq!(said.0, Some(code), "{options} {node} {}", stderr(&output));
        assert_eq!(said.1.lines().last(), Some(last), "{options} {node}");
    }
}

#[test]
fn an_absurdly_long_interval_is_as_good_as_never() {
    let place = Place::new();
    let options =
        "--nemesis partition --nemesis-interval 1e300 --recovery-time 1e300 --rate 1e-300";
    let output = place.echo(&options.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(":count 1,"), "{}", stdout(&output));
}

/// Starts a run, sends it a signal while operations go on, and gives what it then said.
fn interrupted(place: &Place, signal: Signal, command: &mut Command) -> (Option<i32>, Vec<String>) {
    // A node that tells that operations have begun.
    let node = NODE.replace("*) text=", "*) echo working >&2; text=");
    fs::write(place.path("node.sh"), node).unwrap();
    let mut run = command
        .args(["test", "-w", "echo", "--bin", "node.sh", "--log-stderr"])
        .args(["--node-count", "1", "--rate", "50"])
        .current_dir(place.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    // At the second operation the only client has the answer to the first.
    let working = |line: &io::Result<String>| line.as_ref().unwrap().contains("working");
    assert!(said.by_ref().filter(working).nth(1).is_some());
    kill(Pid::from_raw(run.id() as i32), signal).unwrap();
    let rest = if signal == Signal::SIGHUP {
        // Its terminal is gone, and whatever it says is an error.
        drop(said);
        Vec::new()
    } else {
        said.map(Result::unwrap).collect()
    };
    (run.wait_with_output().unwrap().status.code(), rest)
}

#[test]
fn an_interrupted_run_keeps_what_there_is_and_ends_with_255() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        let place = Place::new();
        let mut glomer = Command::new(env!("CARGO_BIN_EXE_glomer"));
        let (code, said) = interrupted(&place, signal, &mut glomer);
        if signal != Signal::SIGHUP {
            assert!(said.iter().any(|line| line.contains("was interrupted")));
        }
        assert_eq!(code, Some(255), "{signal}");
        let results = read(&place.path("store/latest/results.json"));
        let results: Value = serde_json::from_str(&results).unwrap();
        assert_eq!(results["problem"]["type"], "interrupted");
        assert_eq!(results["valid?"], "unknown");
        assert!(results["stats"]["count"].as_u64() > Some(0));
    }
}

#[test]
fn a_disk_outlives_its_node_unless_it_is_wiped_and_goes_with_a_valid_run() {
    let tells = r#"[ -e "$GLOMER_DISK/was" ] && echo again >&2 || echo new >&2
: > "$GLOMER_DISK/was""#;
    let node = NODE.replace(r#"echo "started with $*" >&2"#, tells);
    let starts = |nemesis: &str| {
        let place = Place::new();
        fs::write(place.path("node.sh"), &node).unwrap();
        let options = [
            "--seed",
            "1",
            "--nemesis-interval",
            "0.3",
            "--nemesis",
            nemesis,
        ];
        let output = place.echo(&options);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!place.path("store/latest/node-logs/n0.disk").exists());
        let logs = ["n0", "n1"]
            .map(|node| read(&place.path(&format!("store/latest/node-logs/{node}.log"))));
        ["new\n", "again\n"].map(|line| logs.concat().matches(line).count())
    };
    thread::scope(|scope| {
        let killed = scope.spawn(|| starts("kill"));
        let [new, again] = starts("wipe");
        assert!(new > 2 && again == 0, "{new} and {again}");
        let [new, again] = killed.join().unwrap();
        assert!(new == 2 && again > 0, "{new} and {again}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_ignored_as_under_nohup_interrupts_nothing() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" HUP; exec "$0" "$@" --time-limit 1"#]);
    shell.arg(env!("CARGO_BIN_EXE_glomer"));
    let (code, _) = interrupted(&place, Signal::SIGHUP, &mut shell);
    assert_eq!(code, Some(0));
}

#[test]
fn without_room_for_the_report_the_verdict_is_told_all_the_same_and_no_file_is_cut() {
    let place = Place::new();
    // No file may be longer than 8 KiB or so, which is as good as a full disk.
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 16; exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_glomer"))
        .args([
            "test",
            "-w",
            "echo",
            "--bin",
            "node.sh",
            "--time-limit",
            "2",
        ])
        .args(["--node-count", "2", "--rate", "100", "--seed", "1"])
        .current_dir(place.dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stdout(&output).ends_with("Everything looks good! ヽ(‘ー`)ノ\n"),
        "{}",
        stdout(&output)
    );
    let said = stderr(&output);
    let path = said
        .split("error: ")
        .nth(1)
        .and_then(|error| error.split(": ").next());
    let path = place.path(path.unwrap());
    assert!(path.starts_with(place.path("store/echo")), "{said}");
    assert!(!path.exists(), "{said}");
    assert!(Edn::parse(&read(&place.path("store/latest/results.edn"))).is_ok());
}

#[test]
fn what_a_node_says_in_the_name_of_another_is_delivered_and_told_of() {
    let place = Place::new();
    // Answers echo requests in its own name, and as if the client had answered itself.
    let forged = NODE.replace("*) text=", "*) dest=$src; text=");
    fs::write(place.path("node.sh"), forged).unwrap();
    let output = place.echo(&["--json", "--rate", "5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let warnings = results["warnings"].as_array().unwrap();
    assert!(
        (1..=2).contains(&warnings.len()),
        "once a node: {warnings:?}"
    );
    for warning in warnings {
        let warning = warning.as_str().unwrap();
        assert!(warning.contains("whose src is \"c"), "{warning}");
        assert!(stderr(&output).contains(warning));
    }
}

#[test]
fn results_have_their_keys_in_one_order_in_edn_and_json() {
    let place = Place::new();
    let output = place.echo(&["--json"]);
    let edn = Edn::parse(&read(&place.path("store/latest/results.edn"))).unwrap();
    let expected = serde_json::to_string(&edn).unwrap();
    assert_eq!(stdout(&output).trim_end(), expected);
    assert!(expected.starts_with(r#"{"exceptions":{"valid?":true},"stats":{"valid?":"#));
    let pretty: String = read(&place.path("store/latest/results.json"));
    let kept = pretty.split_whitespace().collect::<String>();
    assert_eq!(kept, expected.split_whitespace().collect::<String>());
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

#[test]
fn nodes_have_the_names_they_are_given() {
    let place = Place::new();
    fs::write(place.path("names"), "a1\n\nb2\n").unwrap();
    let base = "test -w echo --bin node.sh --time-limit 1 --rate 20 --json";
    let names = |args: &str| {
        let args: Vec<&str> = base.split(' ').chain(args.split(' ')).collect();
        let output = place.glomer(&args);
        let mut logs: Vec<String> = fs::read_dir(place.path("store/echo/latest/node-logs"))
            .unwrap()
            .map(|log| log.unwrap().file_name().into_string().unwrap())
            .collect();
        logs.sort();
        (output.status.code(), logs.join(" "), stderr(&output))
    };
    let given = names("--nodes n7,x --node y -n z --nodes-file names --no-ssh --leave-db-running");
    assert_eq!(
        (given.0, given.1.as_str()),
        (Some(0), "a1.log b2.log n7.log x.log y.log z.log")
    );
    assert!(
        given
            .2
            .contains("--leave-db-running, --no-ssh have no effect here"),
        "{}",
        given.2
    );
    let counted = names("--nodes n7,x --node-count 1 --logging-json");
    assert_eq!((counted.0, counted.1.as_str()), (Some(0), "n0.log"));
    assert!(
        counted.2.contains("--logging-json has no effect here"),
        "{}",
        counted.2
    );
    for (wrong, told) in [
        ("--nodes n1,n1", "two nodes of the name n1"),
        ("--nodes c1", "must not begin with c"),
        ("--nodes lin-kv", "must not be lin-kv"),
        ("--nodes-file nobody", "--nodes-file nobody: No such file"),
        ("–-nodes n1", "not a hyphen (U+2013)"),
    ] {
        let (code, _, said) = names(wrong);
        assert_eq!(code, Some(255), "{wrong}");
        assert!(said.contains(told), "{wrong}: {said}");
    }
}

#[test]
fn a_valid_run_in_turn_names_the_delivery_that_shows_stale_reads() {
    let place = Place::new();
    let nodes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes/txn.py");
    let node = place.path("txn.sh");
    fs::write(
        &node,
        format!("#!/bin/sh\nexec python3 {} register\n", nodes.display()),
    )
    .unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |args: &str| {
        let base = "test -w txn-rw-register --bin txn.sh --node-count 2 --time-limit 2 --rate 30";
        let args: Vec<&str> = base.split(' ').chain(args.split(' ')).collect();
        stderr(&place.glomer(&args))
    };
    let hint = "stale reads can hide behind that; --delivery on-time shows them.\n";
    let said = run("--latency 5");
    assert!(said.ends_with(hint), "{said}");
    for other in ["--latency 0", "--latency 5 --delivery on-time"] {
        let said = run(other);
        assert!(
            !said.contains("--delivery on-time shows"),
            "{other}: {said}"
        );
    }
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let place = Place::new();
    let run = |args: &[&str]| {
        let output = place.glomer(args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{script}");
        for word in ["challenge", "nemesis"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
        // The others complete no values.
        let values = ["bash", "zsh", "fish"].contains(&shell);
        assert!(!values || script.contains("txn-rw-register"), "{shell}");
    }
    let (code, page) = run(&["man"]);
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.starts_with(".ie") && page.contains("glomer\\-test(1)"),
        "{page}"
    );
    let (code, page) = run(&["man", "test"]);
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.contains("one\\-way\\-partition") || page.contains("one-way-partition"),
        "{page}"
    );
    let (code, text) = run(&["man", "tset"]);
    assert_eq!(code, Some(255));
    assert!(
        text.contains("no command is called tset, there are bench, challenge, check"),
        "{text}"
    );
}
