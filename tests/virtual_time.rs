//! `glomer test --clock virtual`: real processes in virtual time.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// `glomer`, with one workload more.
const COMMAND: &str = env!("CARGO_BIN_EXE_workbench");
const PROBE: &str = env!("CARGO_BIN_EXE_probe");
/// A node in plain Python that gossips.
const NODE: &str = include_str!("nodes/turns.py");

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    /// A node like the one in Python, but for some of its lines.
    fn node(&self, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = NODE.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let path = self.0.path().join("node.py");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn command(&self, node: &Path, args: &str) -> Command {
        let command = "test -w broadcast --node-count 3 --clock virtual --no-shrink --bin";
        let mut glomer = Command::new(COMMAND);
        glomer
            .args(command.split(' '))
            .arg(node)
            .args(args.split_whitespace())
            .current_dir(self.0.path());
        glomer
    }

    fn test(&self, node: &Path, args: &str) -> Output {
        self.command(node, args).output().unwrap()
    }

    /// How many runs are kept.
    fn kept_runs(&self) -> usize {
        let Ok(runs) = fs::read_dir(self.0.path().join("store/broadcast")) else {
            return 0;
        };
        // Beside them is a link to the latest.
        runs.filter(|run| run.as_ref().unwrap().file_type().unwrap().is_dir())
            .count()
    }

    /// What is kept of the last run.
    fn kept(&self, file: &str) -> String {
        let path = self.0.path().join("store/latest").join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn results(&self) -> Value {
        serde_json::from_str(&self.kept("results.json")).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Faults that need no memory that survives a kill.
const FAULTS: &str = "--nemesis partition,pause,skew --nemesis-interval 2 --time-limit 20";

#[test]
fn the_same_seed_gives_the_same_bytes_in_python() {
    let place = Place::new();
    let node = place.node(&[(
        "def handle(",
        "print('starts', file=sys.stderr)\n\n\ndef handle(",
    )]);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let output = place.test(&node, &format!("--seed 7 --rate 20 {FAULTS}"));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let files = [
            "history.edn",
            "results.edn",
            "index.html",
            "node-logs/n1.log",
        ];
        kept.push(files.map(|file| place.kept(file)));
    }
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[0][3], "starts\n");
    let results = place.results();
    assert_eq!(results["clock"]["time"], "virtual");
    assert_eq!(results["clock"]["turn-latency-ms"][1], 2.0);
    assert_eq!(results["lateness"], Value::Null);
    assert!(results["net"]["servers"]["msg-count"].as_u64() > Some(50));
    let output = place.test(&node, &format!("--seed 8 --rate 20 {FAULTS}"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_ne!(kept[0][0], place.kept("history.edn"));
}

#[test]
fn a_program_that_does_not_know_virtual_time_is_told_so() {
    let place = Place::new();
    for (change, said) in [
        (
            r#"print('{"src":"n0","dest":"clock","body":{"type":"error","in_reply_to":1,"code":10}}', flush=True)"#,
            r#"answered the first turn with {"src":"n0","dest":"clock","body":{"type":"error""#,
        ),
        // As `cat` does.
        (
            "print(line, end='', flush=True)\n    continue",
            r#"answered the first turn with {"id":0,"src":"clock","dest":"n"#,
        ),
        ("sys.exit(3)", "ended at its first turn: exit code 3"),
    ] {
        let node = place.node(&[("    turn = json", &format!("    {change}\n    turn = json"))]);
        let output = place.test(&node, "--runs 9 --jobs 1");
        assert_eq!(output.status.code(), Some(255));
        let told = stderr(&output);
        assert!(told.contains("does not know virtual time"), "{told}");
        assert!(told.contains(said), "{told}");
        assert!(told.contains("Without --clock virtual"), "{told}");
        assert!(told.contains("1 runs"), "the others are not run: {told}");
        assert!(!told.contains("outside of its turn"), "{told}");
    }
}

#[test]
fn nodes_without_an_end_to_a_moment_are_named() {
    let place = Place::new();
    let node = place.node(&[(
        r#""next": next_gossip"#,
        r#""next": next_gossip if me == "n0" else now"#,
    )]);
    let output = place.test(&node, "--seed 1");
    assert_eq!(output.status.code(), Some(255));
    let told = stderr(&output);
    assert!(
        told.contains("n1, n2 keep each other busy without end"),
        "{told}"
    );
    assert_eq!(place.results()["problem"]["type"], "time-stands-still");
}

#[test]
fn a_node_that_hangs_is_named() {
    let place = Place::new();
    let node = place.node(&[(
        "    send(\"clock\", done)",
        "    if me == 'n1' and held:\n        sys.stdin.read()\n    send(\"clock\", done)",
    )]);
    let output = place.test(&node, "--seed 1");
    assert_eq!(output.status.code(), Some(255));
    let told = stderr(&output);
    assert!(
        told.contains("n1 did not come to the end of a turn within 10s"),
        "{told}"
    );
}

#[test]
fn a_failure_that_does_not_repeat_is_told_with_where_it_differs() {
    let place = Place::new();
    let lose = (
        "held.add(body[\"message\"])",
        "body[\"message\"] % 5 or held.add(body[\"message\"])",
    );
    let output = place.test(&place.node(&[lose]), "--seed 1 --time-limit 5");
    assert_eq!(output.status.code(), Some(1));
    let (results, told) = (place.results(), stderr(&output));
    assert_eq!(results["clock"]["unrepeatable"], Value::Null, "{results}");
    assert!(!told.contains("not deterministic"), "{told}");

    let drawn = ("random.Random(clock[\"seed\"])", "random.Random()");
    let output = place.test(&place.node(&[lose, drawn]), "--seed 1 --time-limit 5");
    assert_eq!(output.status.code(), Some(1));
    let (results, told) = (place.results(), stderr(&output));
    let why = results["clock"]["unrepeatable"].as_str().unwrap();
    assert!(why.contains("iteration over a HashMap"), "{why}");
    assert!(
        why.contains("The first difference is event of the network"),
        "{why}"
    );
    assert!(why.contains("\"type\": \"gossip\""), "{why}");
    assert!(told.contains(why), "{told}");
}

#[test]
fn a_line_outside_of_a_turn_marks_the_run() {
    let place = Place::new();
    let late = "    sys.stdout.flush()\n    if turn['body']['now'] > 3_000_000_000:\n        \
                send('n0', {'type': 'gossip', 'messages': []})\n        sys.stdout.flush()";
    let node = place.node(&[("    sys.stdout.flush()", late)]);
    let output = place.test(&node, "--seed 1 --time-limit 5");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let results = place.results();
    let why = results["clock"]["unrepeatable"].as_str().unwrap();
    assert!(
        why.contains("wrote outside of its turn: {\"src\": \"n"),
        "{why}"
    );
}

#[test]
fn many_seeds_are_run_and_only_those_that_fail_are_kept() {
    let place = Place::new();
    // One seed in some: whoever draws so does not spread what it holds.
    let lose = (
        "random.Random(clock[\"seed\"])",
        "random.Random(clock[\"seed\"])\n        GOSSIP *= 1 if rng.random() < 0.9 else 1_000",
    );
    let [import, greet] = GREETS;
    let node = place.node(&[lose, import, greet]);
    let options = "--time-limit 5 --rate 10 --nemesis partition --seed 1";
    let output = place.test(&node, &format!("--runs 12 --jobs 2 {options}"));
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("12 runs: "), "{told}");
    assert!(told.contains("messages dropped"), "{told}");
    let table = told.split("smallest seed").nth(1).expect("a table");
    let row = table.lines().nth(1).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    let (count, smallest): (usize, u64) =
        (columns[0].parse().unwrap(), columns[1].parse().unwrap());
    assert!(row.contains("workload: value # is lost"), "{row}");
    assert!((1..12).contains(&count) && smallest < 13, "{row}");
    assert_eq!(place.kept_runs(), count);
    assert_eq!(place.kept("node-logs/n1.disk/in/was"), "n1");
    assert_eq!(stdout(&output), "Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻\n");

    // The seed alone fails in the same way.
    let alone = place.test(&node, &format!("{options} --seed {smallest}"));
    assert_eq!(alone.status.code(), Some(1));

    // Seeds that failed once go first.
    let seeds = place.0.path().join("seeds");
    fs::write(&seeds, format!("{smallest} # lost\n")).unwrap();
    let options = format!("{options} --seeds {} --until-failure", seeds.display());
    let output = place.test(&node, &format!("{options} --jobs 1"));
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("1 runs: 0 valid, 1 invalid"), "{told}");
}

/// Has a node keep its name on its disk, and tell whether it finds it there.
const GREETS: [(&str, &str); 2] = [
    ("import json", "import json\nimport os"),
    (
        "        peers = [",
        "        folder = os.environ[\"GLOMER_DISK\"] + \"/in\"
        found = os.path.exists(folder + \"/was\")
        print(\"again\" if found else \"new\", file=sys.stderr)
        os.makedirs(folder, exist_ok=True)
        open(folder + \"/was\", \"w\").write(me)
        peers = [",
    ),
];

#[test]
fn a_disk_outlives_its_node_unless_it_is_wiped_and_goes_with_a_valid_run() {
    let place = Place::new();
    let node = place.node(&GREETS);
    for (nemesis, again) in [("kill", true), ("wipe", false)] {
        let options = "--time-limit 3 --rate 1 --seed 1 --nemesis-interval 0.3 --nemesis";
        place.test(&node, &format!("{options} {nemesis}"));
        let logs: String = ["n0", "n1", "n2"]
            .map(|node| place.kept(&format!("node-logs/{node}.log")))
            .concat();
        let [new, found] = ["new\n", "again\n"].map(|line| logs.matches(line).count());
        if again {
            assert!(new == 3 && found > 0, "{logs}");
        } else {
            assert!(new > 3 && found == 0, "{logs}");
        }
    }
    place.test(&node, "--time-limit 2 --rate 5 --seed 1");
    assert_eq!(place.results()["valid?"], true);
    assert!(
        place
            .0
            .path()
            .join("store/latest/node-logs/n0.log")
            .exists()
    );
    assert!(
        !place
            .0
            .path()
            .join("store/latest/node-logs/n0.disk")
            .exists()
    );
}

#[test]
fn a_swarm_draws_within_what_the_options_allow() {
    let place = Place::new();
    let node = place.node(&[]);
    let options = format!("--swarm --latency 40 --rate 30 {FAULTS}");
    let output = place.test(&node, &format!("{options} --runs 6 --seed 1"));
    let told = stderr(&output);
    assert!(told.contains("6 runs: "), "{told}");
    let drawn = |seed: u64| {
        let output = place.test(&node, &format!("{options} --seed {seed}"));
        let told = stderr(&output);
        let line = told.lines().find(|line| line.starts_with("drawn for"));
        line.unwrap_or_else(|| panic!("{told}")).to_owned()
    };
    let seeds: Vec<String> = (1..6).map(drawn).collect();
    assert!(
        seeds.iter().any(|line| !line.contains("nodes n0 n1 n2,")),
        "{seeds:?}"
    );
    assert!(seeds.iter().any(|line| !line.contains("skew")), "{seeds:?}");
    assert_eq!(seeds[0], drawn(1));
}

/// Nodes that are watched: each holds a connection while it lives, and a second one since it was
/// told something for the first time.
struct Watched {
    listener: UnixListener,
    nodes: Vec<UnixStream>,
}

impl Watched {
    fn new(place: &Place) -> Watched {
        let listener = UnixListener::bind(place.0.path().join("alive")).unwrap();
        let nodes = Vec::new();
        Watched { listener, nodes }
    }

    /// What makes a node one of them; it then does this whenever it is told something.
    fn changes(place: &Place, then: &str) -> [(&'static str, String); 2] {
        let path = place.0.path().join("alive");
        let connect = format!(
            "import socket\n\n\ndef connect():\n    alive = socket.socket(socket.AF_UNIX)\n    \
             alive.connect({path:?})\n    return alive\n\n\nstarted, told = connect(), []\n"
        );
        let told = format!("told.append(0 if told else connect())\n        {then}held.add(");
        [
            ("\n\ndef handle(", format!("{connect}\n\ndef handle(")),
            ("held.add(", told),
        ]
    }

    /// Waits until so many have started, or were told something for the first time.
    fn connect(&mut self, count: usize) {
        let accepted = (0..count).map(|_| self.listener.accept().unwrap().0);
        self.nodes.extend(accepted);
    }

    /// Whether all that ever started have ended.
    fn have_ended(mut self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        while let Ok((node, _)) = self.listener.accept() {
            self.nodes.push(node);
        }
        self.nodes.iter_mut().all(|node| {
            node.set_nonblocking(true).unwrap();
            // To the end, which does not come while the node lives.
            node.read_to_end(&mut Vec::new()).is_ok()
        })
    }
}

/// Presses Ctrl-C; how it ends.
fn interrupt(run: Child) -> Output {
    let pid = Pid::from_raw(run.id() as i32).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    run.wait_with_output().unwrap()
}

fn spawn(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn an_interrupted_run_keeps_what_there_is_and_its_nodes_end() {
    // The second one hangs in a turn.
    for then in ["", "sys.stdin.read()\n        "] {
        let place = Place::new();
        let mut nodes = Watched::new(&place);
        let changes = Watched::changes(&place, then);
        let node = place.node(&changes.each_ref().map(|(from, to)| (*from, to.as_str())));
        let run = spawn(&mut place.command(&node, "--rate 20 --time-limit 1000000"));
        nodes.connect(4);
        let output = interrupt(run);
        assert!(nodes.have_ended());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(255), "{told}");
        assert!(told.contains("the run was interrupted"), "{told}");
        let results = place.results();
        assert_eq!(results["problem"]["type"], "interrupted");
        assert_eq!(results["valid?"], "unknown");
        assert_eq!(results["clock"]["time"], "virtual");
        assert!(place.kept("history.edn").contains(":f :broadcast"));
        assert!(stdout(&output).ends_with("The run could not be completed.\n"));
    }
}

#[test]
fn what_a_run_that_was_cut_short_lost_may_have_been_on_its_way() {
    let place = Place::new();
    // Values stay where they were told, until a node that has eight of them ends.
    let changes = [
        ("if peers:", "if False:"),
        (
            "held.add(body[\"message\"])",
            "held.add(body[\"message\"])\n        if len(held) == 8: sys.exit(1)",
        ),
    ];
    let node = place.node(&changes);
    let output = place.test(&node, "--rate 20 --time-limit 20 --seed 1");
    assert_eq!(output.status.code(), Some(255), "{}", stderr(&output));
    let results = place.results();
    assert!(results["workload"]["lost-count"].as_u64() > Some(5));
    assert_eq!(results["workload"]["valid?"], "unknown");
    assert_eq!(results["valid?"], "unknown");
    let warnings = results["warnings"].to_string();
    assert!(warnings.contains("may have been on its way"), "{warnings}");
}

#[test]
fn an_interrupted_search_tells_what_it_found_and_all_nodes_end() {
    let place = Place::new();
    let mut nodes = Watched::new(&place);
    // What is told first is lost.
    let lose = "if not told[1:]: held.add(-1)\n        else: ";
    let changes = Watched::changes(&place, lose);
    let node = place.node(&changes.each_ref().map(|(from, to)| (*from, to.as_str())));
    let run = spawn(&mut place.command(
        &node,
        "--rate 20 --time-limit 2 --runs 60 --jobs 2 --seed 1",
    ));
    let pid = run.id();
    // Each seed fails and is run twice: of eight runs at least six are done, and of their seeds
    // at most two wait for their second runs.
    nodes.connect(8 * 6);
    let output = interrupt(run);
    assert!(nodes.have_ended());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(255), "{told}");
    assert!(told.contains("The search was interrupted"), "{told}");
    let found = place.kept_runs();
    assert!((2..60).contains(&found), "{told}");
    let tally = format!("{found} runs: 0 valid, {found} invalid, 0 unknown, 0 not completed");
    assert!(told.contains(&tally), "{told}");
    let table = told.split("smallest seed").nth(1).expect("a table");
    assert!(table.contains(" is lost"), "{told}");
    assert_eq!(stdout(&output), "The run could not be completed.\n");
    for job in 0..2 {
        let logs = std::env::temp_dir().join(format!("glomer-{pid}-{job}"));
        assert!(!logs.exists(), "{}", logs.display());
    }
}

#[test]
fn many_seeds_show_what_one_shows_and_name_the_seed() {
    let place = Place::new();
    let node = place.node(&[
        (
            "\n\ndef handle(",
            "print('starts', file=sys.stderr)\n\n\ndef handle(",
        ),
        (
            "        held.add(",
            "        print('told', body['message'], file=sys.stderr)\n        held.add(",
        ),
    ]);
    let options =
        "--time-limit 3 --rate 10 --log-stderr --log-net-send --log-net-recv --nemesis partition";
    let output = place.test(&node, &format!("{options} --runs 3 --jobs 2 --seed 5"));
    let search = stderr(&output);
    for seed in 5..8 {
        let output = place.test(&node, &format!("{options} --seed {seed}"));
        let alone = stderr(&output);
        let name = format!("seed {seed}: ");
        let named = || search.lines().filter_map(|line| line.strip_prefix(&name));
        for begin in ["send {", "recv {", "n0: ", "n1: ", "n2: "] {
            let expected = alone.lines().filter(|line| line.starts_with(begin));
            let expected: Vec<&str> = expected.collect();
            assert!(expected.len() > 2, "{begin} {alone}");
            let shown = named().filter(|line| line.starts_with(begin));
            assert_eq!(shown.collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn what_valid_runs_tell_is_counted() {
    let place = Place::new();
    let node = place.node(&[(
        "        held.add(",
        "        if me == 'n1' and not held:\n            print('glomer error: `broadcast` at node.py:7: KeyError:', rng.random(), file=sys.stderr)\n        held.add(",
    )]);
    let output = place.test(&node, "--time-limit 3 --rate 10 --runs 3 --seed 5");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let line = "In 3 of them, first with seed 5: n1 reported an error: `broadcast` at node.py:7: KeyError: 0.";
    assert!(told.contains(line), "{told}");
    assert_eq!(told.matches("reported an error").count(), 1, "{told}");
}

#[test]
fn what_is_for_virtual_time_says_so() {
    let place = Place::new();
    for option in ["--turn-latency 5", "--jobs 2", "--nemesis skew"] {
        let output = Command::new(COMMAND)
            .args(format!("test -w echo --bin {PROBE} {option}").split(' '))
            .current_dir(place.0.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(255));
        let told = stderr(&output);
        assert!(told.contains("virtual time"), "{told}");
    }
}

/// A node that sends what it learns to each other node once.
const PLANTED: &str = env!("CARGO_BIN_EXE_planted");

impl Place {
    fn glomer(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(COMMAND)
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = stderr(&output) + &stdout(&output);
        (output.status.code(), text)
    }

    fn flood(&self, options: &str) -> (Option<i32>, String) {
        let given = "test -w broadcast --node-count 5 --nemesis partition --rate 10 --seed 0 \
                     --time-limit 20 --recovery-time 1 --bin";
        let mut args: Vec<&str> = given.split_whitespace().collect();
        args.push(PLANTED);
        args.extend(options.split_whitespace());
        args.extend(["--", "broadcast-does-not-retry"]);
        self.glomer(&args)
    }

    fn smallest(&self) -> PathBuf {
        self.0.path().join("store/latest/smallest")
    }
}

#[test]
fn the_smallest_run_that_fails_is_shown_and_can_be_run_again() {
    let place = Place::new();
    let (code, text) = place.flood("--clock virtual --until-failure --jobs 1");
    assert_eq!(code, Some(1), "{text}");
    for part in [
        " → 1 operation, 1 fault (",
        "Why: value ",
        "dropped by a partition",
        "smallest/index.html shows it; this runs it again:",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(place.kept("index.html").contains("smallest/index.html"));
    assert!(place.smallest().join("index.html").exists());

    let command = text
        .lines()
        .find(|line| line.contains("--schedule"))
        .unwrap();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let (code, again) = place.glomer(&words);
    assert_eq!(code, Some(1), "{command}\n{again}");
    let kept = fs::read_to_string(place.smallest().join("history.edn"));
    assert!(kept.is_err(), "nothing can be left out of it any more");
    assert_eq!(
        place.kept("history.edn").matches(":f :broadcast").count(),
        2
    );
}

#[test]
fn a_kept_run_is_made_small_later_and_runs_in_real_time_too() {
    let place = Place::new();
    let (code, text) = place.flood("--clock virtual --no-shrink");
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains(" → 1 operation"), "{text}");
    assert!(!place.smallest().exists());
    let (code, text) = place.glomer(&["shrink", "store/latest"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(" → 1 operation, 1 fault ("), "{text}");
    assert!(place.kept("index.html").contains("smallest/index.html"));

    let schedule = place.smallest().join("schedule.json");
    let (code, text) = place.flood(&format!("--schedule {}", schedule.display()));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Why: value "), "{text}");
    assert_eq!(
        place.kept("history.edn").matches(":f :broadcast").count(),
        2
    );

    let (code, text) = place.flood("--schedule nowhere.json");
    assert_eq!(code, Some(255));
    assert!(text.contains("nowhere.json: No such file"), "{text}");
}
