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

#[allow(dead_code)]
mod echo {
    include!("readme/echo.rs");
}

/// The README's fenced blocks of Rust.
fn blocks(readme: &str) -> Vec<&str> {
    let after_fences = readme.split("```rust\n").skip(1);
    after_fences
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
    let expansion = blocks(expansion)[0];
    // What the broadcast crate's own tests run.
    let node = fs::read_to_string(root.join("broadcast/src/tests.rs")).unwrap();
    let mut tested = vec![expansion.to_string(), node];
    for file in fs::read_dir(root.join("tests/readme")).unwrap() {
        tested.push(fs::read_to_string(file.unwrap().path()).unwrap());
    }
    for block in blocks(&readme) {
        assert!(
            tested.iter().any(|source| source.contains(block)),
            "no test compiles this block of README.md:\n{block}"
        );
    }
}
