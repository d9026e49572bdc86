//! The files of the deployment page.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{Server, glomer_nats};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/deployment")
        .join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

const UNITS: [&str; 3] = [
    "nats-server.service",
    "glomer-node@.service",
    "glomer-services.service",
];

/// The variables that the environment file sets.
fn environment() -> Vec<(String, String)> {
    let text = read("environment");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn the_server_takes_its_configuration() {
    let Some(program) = Server::program() else {
        return;
    };
    let mut command = Command::new(program);
    let output = command.arg("-t").arg("-c").arg(file("nats-server.conf"));
    let output = output.env_clear().envs(environment()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn systemd_takes_the_units() {
    let dir = TempDir::new().unwrap();
    for program in ["glomer-nats", "nats-server"] {
        symlink(env!("CARGO_BIN_EXE_glomer-nats"), dir.path().join(program)).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").env("SYSTEMD_LOG_TARGET", "console");
    for unit in UNITS {
        // What it verifies of a template is an instance.
        let path = dir.path().join(unit.replace('@', "@n1"));
        let programs = format!("{}/", dir.path().display());
        let text = read(unit).replace("/usr/local/bin/", &programs);
        fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let Ok(Output { status, stderr, .. }) = command.output() else {
        return eprintln!("skipped: no systemd-analyze here");
    };
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success() && stderr.is_empty(), "{stderr}");
}

/// What the command says of arguments and variables, when there is no server.
fn understood(args: &[&str], environment: impl IntoIterator<Item = (String, String)>) {
    let mut command = glomer_nats(args);
    let command = command
        .env_clear()
        .envs(environment)
        .env("NATS_URL", "127.0.0.1:1");
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert!(stderr.contains("no connection"), "{args:?}: {stderr}");
}

#[test]
fn the_command_takes_what_the_units_say() {
    for unit in ["glomer-node@.service", "glomer-services.service"] {
        let text = read(unit)
            .replace("%i", "n1")
            .replace("127.0.0.1:9464", "127.0.0.1:0");
        let start = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .unwrap();
        let words: Vec<&str> = start.split(' ').collect();
        assert_eq!(words[0], "/usr/local/bin/glomer-nats");
        understood(&words[1..], environment());
    }
}

#[test]
fn the_command_takes_what_the_compose_file_says() {
    let file = YamlLoader::load_from_str(&read("compose.yaml"))
        .unwrap()
        .remove(0);
    let services = file["services"].as_hash().unwrap();
    assert_eq!(services.len(), 7);
    let mut nodes = 0;
    for (name, service) in services {
        // The file is read as it is written: what is merged is under `<<`.
        let get = |key: &str| match &service[key] {
            Yaml::BadValue => &service["<<"][key],
            value => value,
        };
        let name = name.as_str().unwrap();
        assert!(get("image").as_str().is_some(), "{name}");
        let words = get("command").as_vec().unwrap();
        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
        if words[0] != "/usr/local/bin/glomer/glomer-nats" {
            assert_eq!(words, ["-c", "/etc/nats/nats-server.conf"], "{name}");
            continue;
        }
        let environment = get("environment");
        let all = environment["<<"].as_hash().into_iter().flatten();
        let all = all.chain(environment.as_hash().unwrap());
        let variables = all.filter_map(|(name, value)| {
            Some((name.as_str()?.to_owned(), value.as_str()?.to_owned()))
        });
        understood(&words[1..], variables);
        nodes += usize::from(words[1] == "node");
    }
    assert_eq!(nodes, 3);
}
