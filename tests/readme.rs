//! The README's Rust is compiled and run: every block of it is a file of
//! `readme/`, word for word, or kept true by another test.

use std::fs;
use std::path::Path;

#[allow(dead_code)]
mod broadcast {
    include!("readme/broadcast.rs");
    include!("readme/unit_test.rs");
    include!("readme/unit_test_waiting.rs");
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    // What `expand.rs` compares with the real expansion.
    let expansion = readme
        .split("<!-- what `broadcast` expands to")
        .nth(1)
        .unwrap();
    let expansion = blocks(expansion, "rust")[0];
    // What the broadcast crate's own tests run.
    let node = fs::read_to_string(root.join("broadcast/src/tests.rs")).unwrap();
    // What `glomer new` makes, and its tests compile.
    let new = root.join("glomer-workbench/src/command/new/nodes/echo.rs");
    let new = fs::read_to_string(new).unwrap();
    let mut tested = vec![expansion.to_string(), node, new];
    for file in fs::read_dir(root.join("tests/readme")).unwrap() {
        tested.push(fs::read_to_string(file.unwrap().path()).unwrap());
    }
    tested.extend(locks());
    for block in blocks(&readme, "rust") {
        assert!(
            tested.iter().any(|source| source.contains(block)),
            "no test compiles this block of README.md:\n{block}"
        );
    }
}

/// The example of a protocol of one's own.
fn locks() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/locks");
    let files = [
        "src/server.rs",
        "src/workload.rs",
        "src/command.rs",
        "tests/locks.rs",
    ];
    let read = |file| fs::read_to_string(root.join(file)).unwrap();
    files.map(read).into()
}

#[test]
fn what_the_guide_shows_of_the_example_and_its_failure_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let chapter = root.join("glomer-runtime/src/guide/own.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
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
