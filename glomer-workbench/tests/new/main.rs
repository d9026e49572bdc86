//! `glomer new`: what it makes compiles, passes, and is left alone.

mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CARGO: &str = env!("CARGO");
const GLOMER: &str = env!("CARGO_BIN_EXE_glomer");
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const WORKLOADS: [&str; 11] = [
    "echo",
    "unique-ids",
    "broadcast",
    "g-set",
    "g-counter",
    "pn-counter",
    "lin-kv",
    "kafka",
    "txn-list-append",
    "txn-rw-register",
    "own",
];

/// What this workspace depends on is there already.
const TARGET: (&str, &str) = (
    "CARGO_TARGET_DIR",
    concat!(env!("CARGO_TARGET_TMPDIR"), "/.."),
);

fn glomer(place: &Path, args: &[&str]) -> Output {
    Command::new(GLOMER)
        .args(args)
        .current_dir(place)
        .env(TARGET.0, TARGET.1)
        // Cargo makes no repository of a folder that is in none.
        .env("CARGO_CARGO_NEW_VCS", "none")
        .output()
        .unwrap()
}

fn cargo(place: &Path, args: &str) {
    let output = Command::new(CARGO)
        .args(args.split(' '))
        .current_dir(place)
        .env(TARGET.0, TARGET.1)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {args}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_crate_compiles_and_passes_against_the_packages_in_a_workspace_and_offline() {
    let place = tempfile::tempdir().unwrap();
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    fs::create_dir_all(&packages).unwrap();
    let patch = packages::patch(&packages::unpacked_in(&packages));
    // The profile and the lock of this workspace, so that dependencies are built alike.
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = []\n\n{patch}\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n\
         [profile.dev.package.\"*\"]\ndebug = false\n\n\
         [profile.dev.package]\nserde_json.opt-level = 1\nadya.opt-level = 1\n\n\
         [profile.release]\nopt-level = 0\n"
    );
    fs::write(place.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(
        Path::new(CLONE).join("Cargo.lock"),
        place.path().join("Cargo.lock"),
    )
    .unwrap();
    for workload in WORKLOADS {
        let name = format!("maelstrom-{workload}");
        let made = glomer(place.path(), &["new", &name, "-w", workload]);
        assert!(made.status.success(), "{workload}: {}", stderr(&made));
    }
    let members = read(place.path().join("Cargo.toml"));
    assert!(members.contains("maelstrom-own"), "{members}");
    cargo(place.path(), "fmt --check");
    // With what the alias runs.
    let command = "--features maelstrom-own/command";
    cargo(
        place.path(),
        &format!("test --workspace --offline --quiet {command}"),
    );

    // As the README goes on.
    let challenge = "challenge 1 --package maelstrom-echo --clock virtual";
    let challenge: Vec<&str> = challenge.split(' ').collect();
    let done = glomer(place.path(), &challenge);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        said.ends_with("Challenge 1 is done.\n"),
        "{said}{}",
        stderr(&done)
    );
}

#[test]
fn a_crate_says_how_to_run_it() {
    let place = tempfile::tempdir().unwrap();
    let made = glomer(
        place.path(),
        &["new", "lock-server", "-w", "own", "--path", CLONE],
    );
    assert!(made.status.success(), "{}", stderr(&made));
    let said = String::from_utf8(made.stdout).unwrap();
    let run = "cargo glomer test -w tickets --node-count 3 --time-limit 10 --rate 50 \
               --package lock-server";
    assert!(said.contains("cd lock-server\n  cargo test\n"), "{said}");
    assert!(said.contains(run), "{said}");
    let made = place.path().join("lock-server");
    assert!(read(made.join("README.md")).contains(run));
    assert!(read(made.join("src/main.rs")).contains("lock_server::Machine"));
    let config = read(made.join(".cargo/config.toml"));
    assert!(config.contains("--example glomer"), "{config}");
    assert!(read(made.join(".gitignore")).contains("/store\n"));
}

#[test]
fn crates_come_from_where_the_user_says() {
    let place = tempfile::tempdir().unwrap();
    for (name, from, dependency) in [
        ("here", vec!["--path", CLONE], "path = "),
        (
            "there",
            vec!["--git", "https://example.org/glomer"],
            "git = \"https://example.org/glomer\" }",
        ),
        (
            "published",
            vec![],
            concat!("version = \"", env!("CARGO_PKG_VERSION"), "\" }"),
        ),
    ] {
        let made = glomer(place.path(), &[&["new", name], from.as_slice()].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        let manifest = read(place.path().join(name).join("Cargo.toml"));
        let line = manifest
            .lines()
            .find(|line| line.starts_with("glomer-runtime"));
        assert!(line.unwrap().contains(dependency), "{manifest}");
    }
    let wrong = glomer(place.path(), &["new", "other", "--path", "here"]);
    assert_eq!(wrong.status.code(), Some(255));
    let text = stderr(&wrong);
    assert!(
        text.contains("--path here: there is no glomer-runtime/Cargo.toml"),
        "{text}"
    );
    assert!(!place.path().join("other").exists());
}

#[test]
fn what_exists_is_refused_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("mine")).unwrap();
    fs::write(place.path().join("mine/notes"), "keep me").unwrap();
    let refused = glomer(place.path(), &["new", "mine"]);
    assert_eq!(refused.status.code(), Some(255));
    let text = stderr(&refused);
    assert!(text.contains("mine exists already"), "{text}");
    let left: Vec<_> = fs::read_dir(place.path().join("mine")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(read(place.path().join("mine/notes")), "keep me");

    let refused = glomer(place.path(), &["new", "7up"]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(stderr(&refused).contains("7up"), "{}", stderr(&refused));
    assert!(!place.path().join("7up").exists());

    let refused = glomer(place.path(), &["new", "node", "-w", "quantum"]);
    assert!(
        stderr(&refused).contains("txn-rw-register"),
        "{}",
        stderr(&refused)
    );
}
