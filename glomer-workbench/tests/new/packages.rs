//! The packages, as crates.io would get them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{CLONE, cargo};

/// What is published.
const PACKAGES: [&str; 5] = [
    "glomer-macros",
    "glomer-nats",
    "glomer-runtime",
    "glomer-spread",
    "glomer-workbench",
];

/// Packs them, and unpacks them into a folder.
pub(super) fn unpacked_in(place: &Path) -> [PathBuf; 5] {
    let packed = place.join("packed");
    let args = "package --workspace --no-verify --offline --allow-dirty \
                --quiet --target-dir";
    cargo(CLONE.as_ref(), &format!("{args} {}", packed.display()));
    PACKAGES.map(|name| {
        let folder = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        // What an earlier run unpacked may have files that are no more.
        let _ = fs::remove_dir_all(place.join(&folder));
        let unpacked = Command::new("tar")
            // Cargo rebuilds what is new by its time, and in packages all is equally old.
            .arg("-xmzf")
            .arg(packed.join(format!("package/{folder}.crate")))
            .current_dir(place)
            .status();
        assert!(unpacked.unwrap().success(), "{folder}");
        place.join(folder)
    })
}

/// A line of the manifest that has crates.io's packages replaced by these.
pub(super) fn patch(packages: &[PathBuf]) -> String {
    let lines = PACKAGES.iter().zip(packages).map(|(name, package)| {
        let path = package.display().to_string();
        format!("{name} = {{ path = {path:?} }}\n")
    });
    format!("[patch.crates-io]\n{}", lines.collect::<String>())
}

#[test]
fn every_package_has_licences_readme_and_changelog_and_no_tests() {
    let place = tempfile::tempdir().unwrap();
    for package in unpacked_in(place.path()) {
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"] {
            let of_package = fs::read(package.join(file)).unwrap();
            let of_workspace = fs::read(Path::new(CLONE).join(file)).unwrap();
            assert!(of_package == of_workspace, "{}", package.display());
        }
        assert!(!package.join("tests").exists(), "{}", package.display());
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        for said in ["description", "documentation", "rust-version", "license"] {
            let line = format!("\n{said} = ");
            assert!(manifest.contains(&line), "{}: {said}", package.display());
        }
    }
}

/// `rust-version` of the workspace is kept: of the standard library by a lint of Clippy, and of
/// the dependencies, of which the lock has the newest that keep it, here.
#[test]
fn no_dependency_needs_a_newer_rust_than_the_packages_say() {
    // What other platforms need was not fetched.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(super::CARGO)
        .args(["metadata", "--format-version=1", "--offline"])
        .args(["--filter-platform", host.unwrap()])
        .current_dir(CLONE)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let version = |package: &Value| -> Option<Vec<u32>> {
        let parts = package["rust_version"].as_str()?.split('.');
        let parts = parts.map(|part| part.parse().unwrap());
        // 1.91 is 1.91.0.
        Some(parts.chain([0, 0]).take(3).collect())
    };
    let own = packages
        .iter()
        .find(|package| package["name"] == PACKAGES[0]);
    let own = version(own.unwrap()).unwrap();
    for package in packages {
        let needs = version(package).unwrap_or_default();
        assert!(needs <= own, "{} needs Rust {needs:?}", package["id"]);
    }
}
