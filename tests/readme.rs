//! What README and guides show is compiled and run: every block of Rust in the README is a file
//! of `readme/`, word for word, or kept true by another test, and every command that any of them
//! tells is one that there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use glomer_workbench::cli::grammar;
use glomer_workbench::workload::Workloads;
use serde_json::Value;

#[allow(dead_code)]
mod broadcast {
    include!("readme/broadcast.rs");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: impl AsRef<Path>) -> String {
    let file = root().join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let blocks = text.split(&*fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn every_block_of_the_readme_is_tested() {
    let readme = read("README.md");
    // What the broadcast crate's own tests run.
    let mut tested = vec![read("broadcast/src/tests.rs")];
    tested.push(read("tests/readme/broadcast.rs"));
    tested.extend(locks());
    for block in blocks(&readme, "rust") {
        assert!(
            tested.iter().any(|source| source.contains(block)),
            "no test compiles this block of README.md:\n{block}"
        );
    }
}

/// All that tells commands.
fn documents() -> Vec<(String, String)> {
    let mut files: Vec<String> = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "benches/README.md",
        "broadcast/README.md",
        "challenges/README.md",
        "glomer-workbench/src/guide.md",
    ]
    .map(str::to_owned)
    .into();
    let guide = "glomer-runtime/src/guide";
    for chapter in fs::read_dir(root().join(guide)).unwrap() {
        let name = chapter.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            files.push(format!("{guide}/{name}"));
        }
    }
    let with_text = files.into_iter().map(|file| (read(&file), file));
    with_text.map(|(text, file)| (file, text)).collect()
}

/// A command.
struct Told {
    words: Vec<String>,
    /// Whether all of it is told, as in a line of the shell, and not only what a sentence is about.
    whole: bool,
}

impl Told {
    fn new(command: &str, whole: bool) -> Told {
        let words = command.split_whitespace();
        let is_variable = |word: &&str| word.contains('=') && !word.starts_with('-');
        let words = words.skip_while(is_variable).map(str::to_owned);
        Told {
            words: words.collect(),
            whole,
        }
    }
}

/// The commands of a document: the lines of its shell, and what it has of them in sentences.
fn commands(text: &str) -> Vec<Told> {
    let mut commands = Vec::new();
    for block in blocks(text, "sh") {
        let block = block.replace("\\\n", " ");
        let lines = block.lines().map(|line| match line.split_once(" #") {
            Some((command, _)) => command,
            None => line,
        });
        let lines = lines
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        commands.extend(lines.map(|line| Told::new(line, true)));
    }
    let prose = text.split("```").step_by(2).collect::<String>();
    let spans = prose.split('`').skip(1).step_by(2);
    let of_ours = ["cargo ", "glomer ", "maelstrom "];
    let spans = spans.filter(|span| of_ours.iter().any(|name| span.starts_with(name)));
    commands.extend(spans.map(|span| Told::new(span, false)));
    commands
}

/// What is run elsewhere, or by people.
const OTHERS: [(&str, &str); 10] = [
    ("cd ../echo", "glomer-workbench/tests/new makes such crates"),
    ("cargo expand ", "cargo-expand: tests/expand.rs compares"),
    ("cargo install cargo-", "a tool of others"),
    ("cargo mutants ", "by hand, after a change to a checker"),
    (
        "nice cargo mutants ",
        "by hand, after a change to a checker",
    ),
    (
        "cargo +nightly fuzz ",
        "by hand, with a compiler that instruments",
    ),
    (
        "cargo semver-checks ",
        "by hand, before a version is published",
    ),
    ("chromium ", "by hand, after a change that is seen"),
    ("python3 -m pip install ", ".ci/run"),
    ("pngquant ", "by hand, after a change that is seen"),
];

/// What there is in the workspace, by kind: packages, binaries, examples, tests and benches.
struct Targets(Value);

impl Targets {
    fn of_workspace() -> Targets {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--no-deps"])
            .current_dir(root())
            .output()
            .unwrap();
        Targets(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        let packages = self.0["packages"].as_array().unwrap();
        packages.iter().any(|package| match kind {
            "package" => package["name"] == name,
            _ => package["targets"].as_array().unwrap().iter().any(|target| {
                target["name"] == name && target["kind"].as_array().unwrap().contains(&kind.into())
            }),
        })
    }
}

/// What is wrong with a command, if anything is.
fn mistake(told: &Told, targets: &Targets) -> Option<String> {
    let words: Vec<&str> = told.words.iter().map(String::as_str).collect();
    let command = words.join(" ") + " ";
    let glomer = match words[..] {
        ["cargo", "glomer", ..] => &words[1..],
        ["glomer" | "maelstrom", ..] => &words[..],
        _ => &[],
    };
    let named = words.windows(2).find_map(|pair| {
        let kind = match pair[0] {
            "-p" | "--package" => "package",
            "--example" => "example",
            "--test" => "test",
            "--bench" => "bench",
            _ => return None,
        };
        // The crate that `glomer new` makes.
        let is_new = pair[1] == "echo" || pair[1] == "NAME";
        (!is_new && !targets.has(kind, pair[1])).then(|| format!("no {kind} is called {}", pair[1]))
    });
    let built = words.iter().find_map(|word| {
        let (kind, name) = match word.strip_prefix("target/release/")? {
            name if name.starts_with("examples/") => ("example", &name["examples/".len()..]),
            name => ("bin", name),
        };
        (name != "echo" && !targets.has(kind, name)).then(|| format!("no {kind} is called {name}"))
    });
    let words_of_glomer = glomer.iter().map(|word| match *word {
        "WORKLOAD" => "echo",
        word => word,
    });
    let parsed = grammar(&Workloads::default()).try_get_matches_from(words_of_glomer);
    let parsed = parsed.err().filter(|error| {
        let lacks = [
            "MissingRequiredArgument",
            "DisplayHelpOnMissingArgumentOrSubcommand",
        ];
        !glomer.is_empty() && (told.whole || !lacks.contains(&&*format!("{:?}", error.kind())))
    });
    let parsed = parsed.map(|error| error.to_string());
    let other = OTHERS.iter().any(|(other, _)| command.starts_with(other));
    let known = other
        || !glomer.is_empty()
        || matches!(
            words[..],
            [
                "cargo",
                "bench"
                    | "build"
                    | "check"
                    | "clippy"
                    | "doc"
                    | "fmt"
                    | "package"
                    | "publish"
                    | "run"
                    | "test",
                ..
            ] | ["cargo", "install", "--path", "glomer-workbench"]
                | ["cargo", "+1.91", "check", ..]
        );
    let unknown = (!known).then(|| "no test knows it".to_owned());
    named.or(built).or(parsed).or(unknown)
}

#[test]
fn every_command_that_is_told_is_there() {
    let targets = Targets::of_workspace();
    let mut count = 0;
    let mut mistakes = String::new();
    for (file, text) in documents() {
        for told in commands(&text) {
            count += 1;
            if let Some(mistake) = mistake(&told, &targets) {
                mistakes += &format!("{file}: `{}`: {mistake}\n", told.words.join(" "));
            }
        }
    }
    assert!(mistakes.is_empty(), "{mistakes}");
    assert!(count > 50, "{count} commands were found");
}

/// Those of chapters are for rustdoc, which checks them.
#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut count = 0;
    for (file, text) in documents() {
        if !file.ends_with("README.md") && file.contains('/') {
            continue;
        }
        let folder = root().join(&file).parent().unwrap().to_owned();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            count += 1;
            assert!(folder.join(link).exists(), "{file} links {link}");
        }
    }
    assert!(count > 20, "{count} links were found");
}

/// In virtual time, which has them take a moment, and with the node that the README's first
/// command runs.
#[test]
fn the_runs_of_the_readme_are_valid() {
    let store = tempfile::tempdir().unwrap();
    let readme = read("README.md");
    // Those of its blocks, not of its table.
    let told = blocks(&readme, "sh").join("");
    let runs: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("glomer test"))
        .collect();
    assert_eq!(runs.len(), 3);
    for run in runs {
        let words: Vec<&str> = run.split_whitespace().collect();
        let test = words.iter().position(|word| *word == "test").unwrap();
        let mut args = words[test..].to_vec();
        let node = args
            .iter()
            .position(|word| ["--package", "--bin"].contains(word));
        args.drain(node.unwrap()..node.unwrap() + 2);
        if let Some(runs) = args.iter().position(|word| *word == "--runs") {
            args[runs + 1] = "3";
        }
        let output = Command::new(env!("CARGO_BIN_EXE_workbench"))
            .args(&args)
            .arg("--bin")
            .arg(env!("CARGO_BIN_EXE_broadcast-node"))
            .args(
                ["--clock", "virtual"]
                    .iter()
                    .filter(|_| !run.contains("--clock")),
            )
            .current_dir(store.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{run}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_bench_of_the_command_measures_three_loads() {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args([
            "bench",
            "--quiet",
            "--time-limit",
            "1",
            "--node-count",
            "50",
        ])
        .args(["--broadcast", env!("CARGO_BIN_EXE_broadcast-node")])
        .args(["--echo", env!("CARGO_BIN_EXE_turns")])
        .current_dir(place.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let rows = told.lines().filter(|line| line.contains("| valid |"));
    assert_eq!(rows.count(), 3, "{told}");
}

/// The example of a protocol of one's own.
fn locks() -> Vec<String> {
    let files = [
        "src/server.rs",
        "src/workload.rs",
        "src/command.rs",
        "tests/locks.rs",
    ];
    files
        .map(|file| read(Path::new("examples/locks").join(file)))
        .into()
}

#[test]
fn what_the_guide_shows_of_the_example_and_its_failure_is_there() {
    let chapter = read("glomer-runtime/src/guide/own.md");
    let readme = read("README.md");
    let sources = locks();
    let shown = blocks(&chapter, "ignore");
    assert_eq!(shown.len(), 3);
    let why = "Why: a write of lock";
    let told = [&chapter, &readme].map(|text| {
        let text = blocks(text, "text").into_iter();
        text.filter(|block| block.starts_with(why))
            .collect::<String>()
    });
    for block in shown
        .into_iter()
        .chain(told.iter().map(|told| told.trim_end()))
    {
        assert!(
            sources.iter().any(|source| source.contains(block)),
            "examples/locks has no such lines:\n{block}"
        );
    }
}
