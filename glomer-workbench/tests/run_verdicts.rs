//! Real processes under the real command: right nodes pass, and each broken one is found out.
//!
//! The nodes are small Python programs in `nodes/`, which is why this test needs `python3`.
//! The runs spend their time waiting, so many go on at once.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

/// How many runs go on at the same time.
const AT_ONCE: usize = 8;

/// A run and what is to come of it.
struct Case {
    /// Options, then the node's file and arguments.
    workload: &'static str,
    options: &'static str,
    node: &'static str,
    /// The exit code.
    code: i32,
    /// What the results say: a JSON pointer, and a part of what is there.
    results: &'static [(&'static str, &'static str)],
    /// What the run says to people.
    says: &'static [&'static str],
}

const fn valid(workload: &'static str, options: &'static str, node: &'static str) -> Case {
    Case {
        workload,
        options,
        node,
        code: 0,
        results: &[("/valid?", "true"), ("/workload/valid?", "true")],
        says: &[],
    }
}

const fn invalid(
    workload: &'static str,
    options: &'static str,
    node: &'static str,
    results: &'static [(&'static str, &'static str)],
) -> Case {
    Case {
        code: 1,
        results,
        ..valid(workload, options, node)
    }
}

/// An echo node that breaks off; what was done until then may or may not be valid.
const fn broken(node: &'static str, code: i32, says: &'static [&'static str]) -> Case {
    Case {
        workload: "echo",
        options: "--node-count 2 --time-limit 3 --rate 50",
        node,
        code,
        results: &[("/problem/node", "n")],
        says,
    }
}

const KV: &str = "--node-count 3 --concurrency 2n --time-limit 4 --rate 60";
const LOG: &str = "--node-count 2 --concurrency 2n --time-limit 5 --rate 100";
const TXN: &str = "--node-count 2 --concurrency 2n --time-limit 4 --rate 100";
const SETS: &str = "--node-count 3 --time-limit 4 --rate 50";

const CASES: &[Case] = &[
    // Right nodes.
    valid(
        "echo",
        "--node-count 3 --time-limit 3 --rate 50 --availability total",
        "echo.py",
    ),
    valid("unique-ids", SETS, "unique_ids.py"),
    valid(
        "broadcast",
        "--node-count 5 --time-limit 4 --rate 50 --latency 20",
        "broadcast.py",
    ),
    valid("g-set", SETS, "g_set.py"),
    valid("g-counter", SETS, "counter.py"),
    valid("pn-counter", SETS, "counter.py"),
    valid("lin-kv", KV, "lin_kv.py"),
    valid("kafka", LOG, "kafka.py"),
    valid("txn-list-append", TXN, "txn.py list"),
    valid("txn-rw-register", TXN, "txn.py register"),
    // Services.
    valid("lin-kv", KV, "proxy_kv.py lin-kv"),
    invalid(
        "lin-kv",
        KV,
        "proxy_kv.py seq-kv",
        &[("/workload/valid?", "false")],
    ),
    invalid(
        "lin-kv",
        KV,
        "proxy_kv.py lww-kv",
        &[("/workload/valid?", "false")],
    ),
    // Faults that right nodes survive.
    valid("broadcast", FAULTY_PARTITION, "broadcast.py repair"),
    valid("g-set", FAULTY_PAUSE, "g_set.py"),
    valid("broadcast", FAULTY_NETWORK, "broadcast.py repair"),
    valid("lin-kv", KV_KILL, "proxy_kv.py lin-kv"),
    // Nodes that are wrong.
    invalid(
        "unique-ids",
        SETS,
        "unique_ids.py dup",
        &[("/workload/duplicated/n1-9", "2")],
    ),
    invalid(
        "broadcast",
        SETS,
        "broadcast.py lose",
        &[("/workload/lost", "7,17")],
    ),
    invalid(
        "broadcast",
        SETS,
        "broadcast.py stale",
        &[("/workload/valid?", "false")],
    ),
    invalid(
        "g-set",
        SETS,
        "g_set.py lose",
        &[("/workload/lost", "7,17")],
    ),
    invalid(
        "g-counter",
        SETS,
        "counter.py forget",
        &[("/workload/valid?", "false")],
    ),
    invalid(
        "pn-counter",
        SETS,
        "counter.py forget",
        &[("/workload/valid?", "false")],
    ),
    invalid(
        "lin-kv",
        KV,
        "lin_kv.py stale",
        &[("/workload/failures", "0")],
    ),
    invalid(
        "lin-kv",
        KV,
        "lin_kv.py blind",
        &[("/workload/failures", "0")],
    ),
    invalid(
        "kafka",
        LOG,
        "kafka.py lose",
        &[("/workload/bad-error-types", "\"lost-write\"")],
    ),
    invalid(
        "kafka",
        LOG,
        "kafka.py skip",
        &[("/workload/bad-error-types", "\"int-poll-skip\"")],
    ),
    invalid(
        "kafka",
        LOG,
        "kafka.py back",
        &[("/workload/bad-error-types", "\"nonmonotonic-poll\"")],
    ),
    invalid(
        "txn-list-append",
        TXN,
        "txn.py list g0",
        &[("/workload/anomaly-types", "\"G0\"")],
    ),
    invalid(
        "txn-list-append",
        TXN,
        "txn.py list g1a",
        &[("/workload/anomaly-types", "\"G1a\"")],
    ),
    invalid(
        "txn-list-append",
        TXN,
        "txn.py list g1b",
        &[("/workload/anomaly-types", "\"G1b\"")],
    ),
    invalid(
        "txn-list-append",
        TXN,
        "txn.py list gsingle",
        &[("/workload/anomaly-types", "\"G-single")],
    ),
    invalid(
        "txn-rw-register",
        TXN,
        "txn.py register g1a",
        &[("/workload/anomaly-types", "\"G1a\"")],
    ),
    invalid(
        "txn-rw-register",
        TXN,
        "txn.py register g1b",
        &[("/workload/anomaly-types", "\"G1b\"")],
    ),
    invalid(
        "txn-rw-register",
        TXN,
        "txn.py register gsingle",
        &[("/workload/anomaly-types", "\"G-single")],
    ),
    // Right, in an odd way.
    valid("unique-ids", SETS, "unique_ids.py wide"),
    valid("kafka", LOG, "kafka.py null"),
    Case {
        results: &[(
            "/warnings/0",
            "reads returned 0 for registers that nobody wrote",
        )],
        says: &["reads returned 0 for registers that nobody wrote"],
        ..valid("txn-rw-register", TXN, "txn.py register zero")
    },
    // What Maelstrom cannot make sense of: Elle stops over a list to which exactly one element was
    // appended. The seed that all cases run with draws such a list; another may draw none, and
    // then Elle has nothing to stop over and the verdict is valid.
    Case {
        code: 2,
        says: &["were answered with other operations than they asked for"],
        ..invalid(
            "txn-list-append",
            TXN,
            "txn.py list empty",
            &[
                ("/workload/valid?", "unknown"),
                ("/workload/error", "was to append"),
            ],
        )
    },
    // What read-committed allows, it allows.
    valid("txn-list-append", TXN_READ_COMMITTED, "txn.py list gsingle"),
    // Nodes that do not answer as they should. What nobody knows the outcome of says nothing
    // about an echo; the answers are told of.
    invalid(
        "echo",
        SETS,
        "broken.py changes",
        &[("/workload/errors", "something else")],
    ),
    Case {
        options: "--node-count 1 --time-limit 2 --rate 2",
        ..invalid(
            "echo",
            SETS,
            "broken.py goes-on-and-on",
            &[("/workload/errors", "xxx\"")],
        )
    },
    Case {
        says: &["its type should be \"echo_ok\""],
        ..valid("echo", SETS, "broken.py wrong-type")
    },
    Case {
        says: &["\"more\" does not belong there"],
        ..valid("echo", SETS, "broken.py extra-field")
    },
    valid("echo", SETS, "broken.py hangs"),
    invalid(
        "unique-ids",
        "--node-count 2 --time-limit 2 --rate 20 --availability total",
        "unique_ids.py deaf",
        &[("/availability/valid?", "false"), ("/stats/valid?", "true")],
    ),
    // Nodes that break off.
    broken(
        "broken.py exits-at-once",
        255,
        &["exit code 7", "cannot find my configuration"],
    ),
    broken(
        "broken.py crashes",
        255,
        &["exit code 1", "RuntimeError: something is terribly wrong"],
    ),
    broken(
        "broken.py kills-itself",
        255,
        &["SIGKILL", "about to break: kills-itself"],
    ),
    broken(
        "broken.py half-a-line",
        255,
        &["exit code 0", "about to break: half-a-line"],
    ),
    broken(
        "broken.py closes-output",
        255,
        &["closed its standard output"],
    ),
    broken(
        "broken.py no-init",
        255,
        &["did not answer its init message within 10s"],
    ),
    broken(
        "broken.py no-line-break",
        255,
        &["it wrote 18 bytes without a line break: {\"type\": \"init_ok\""],
    ),
    broken("broken.py init-error", 255, &["not today"]),
    broken(
        "broken.py prints",
        1,
        &[
            "not JSON",
            "    got an echo request",
            "about to break: prints",
        ],
    ),
    broken(
        "broken.py no-body",
        1,
        &[
            "missing field `body`",
            "{\"src\": \"n0\", \"dest\": \"n1\"}",
        ],
    ),
    broken(
        "broken.py stranger",
        1,
        &["there is no \"n99\" here", "about to break: stranger"],
    ),
];

const FAULTY_PARTITION: &str = "--nemesis partition --node-count 5 --time-limit 6 --rate 30 \
    --recovery-time 3 --nemesis-interval 1";
const FAULTY_PAUSE: &str = "--nemesis pause --node-count 3 --time-limit 6 --rate 30 \
    --recovery-time 3 --nemesis-interval 1";
const FAULTY_NETWORK: &str = "--nemesis loss,duplicate,slow,partition --node-count 5 \
    --time-limit 6 --rate 30 --recovery-time 3 --nemesis-interval 1 --latency 10 \
    --latency-dist exponential";
const KV_KILL: &str = "--nemesis kill --node-count 3 --concurrency 2n --time-limit 6 --rate 60 \
    --nemesis-interval 1";
const TXN_READ_COMMITTED: &str = "--node-count 2 --concurrency 2n --time-limit 4 --rate 100 \
    --consistency-models read-committed";

/// Runs a case; says what is wrong with what came of it.
fn run(case: &Case, number: usize, python: &str, store: &Path) -> Result<(), String> {
    let nodes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes");
    let mut node = case.node.split(' ');
    let file = node.next().map(|file| nodes.join(file)).unwrap_or_default();
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_glomer"))
        .args(["test", "--workload", case.workload, "--bin", python])
        // Before the case's own options, which win.
        .args(["--recovery-time", "1", "--json", "--seed", "7"])
        .args(case.options.split_whitespace())
        .arg("--store")
        .arg(store.join(number.to_string()))
        // Python starts faster without its site packages, and leaves no files behind.
        .args(["--", "-S", "-E", "-B"])
        .arg(file)
        .args(node)
        .output()
        .map_err(|error| error.to_string())?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    let mut wrong = String::new();
    let mut complain = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(wrong, "  {text}");
    };
    if status.code() != Some(case.code) {
        complain(format!("ended with {status} and not with {}", case.code));
    }
    match serde_json::from_str::<Value>(&stdout) {
        Ok(results) => {
            for (pointer, part) in case.results {
                let there = results.pointer(pointer).map(Value::to_string);
                if !there.as_ref().is_some_and(|there| there.contains(part)) {
                    let excerpt: String = there.unwrap_or_default().chars().take(200).collect();
                    complain(format!("{pointer} does not have {part}: {excerpt}"));
                }
            }
        }
        Err(error) => complain(format!(
            "printed something else than JSON: {error}: {stdout}"
        )),
    }
    for part in case.says {
        if !stderr.contains(part) {
            complain(format!("does not say {part:?}"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{wrong}  it said:\n{stderr}"))
    }
}

/// The interpreter itself: what `python3` is in the path may be a slow script around it.
fn python() -> String {
    let found = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    match found {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => panic!("this test needs python3, which its nodes are written in; install it"),
    }
}

#[test]
fn every_node_gets_the_verdict_it_deserves() {
    let python = python();
    let store = tempfile::tempdir().unwrap();
    let queue = Mutex::new(CASES.iter().enumerate());
    let failures = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().unwrap().next();
            let Some((number, case)) = next else { break };
            if let Err(wrong) = run(case, number, &python, store.path()) {
                let title = format!("{} {} {}", case.workload, case.options, case.node);
                failures.lock().unwrap().push(format!("{title}\n{wrong}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
