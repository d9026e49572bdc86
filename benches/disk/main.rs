//! How many writes a second a node acknowledges, each of which is durable by then, with one
//! client that waits for its answer, and with more of them.
//!
//! All contestants take turns, and the median of the rounds counts. The files are in the
//! target directory, so on a disk, whatever `/tmp` is.

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CLIENTS: [u64; 3] = [1, 16, 256];

const NODES: [(&str, &str); 3] = [
    ("glomer", env!("CARGO_BIN_EXE_disk-glomer")),
    ("by hand", env!("CARGO_BIN_EXE_disk-by-hand")),
    ("SQLite, WAL", env!("CARGO_BIN_EXE_disk-sqlite")),
];

fn main() -> io::Result<()> {
    // Cargo passes this when it measures; otherwise it only wants to know that the program works.
    let (rounds, lasts) = if std::env::args().any(|argument| argument == "--bench") {
        (5, Duration::from_secs(1))
    } else {
        (1, Duration::from_millis(10))
    };
    println!("| clients | node | acknowledged writes/s | glomer is so many times as fast |");
    println!("| ---: | --- | ---: | ---: |");
    for clients in CLIENTS {
        let mut rates = [const { Vec::new() }; NODES.len()];
        for _ in 0..rounds {
            for ((_, program), rates) in NODES.iter().zip(&mut rates) {
                rates.push(rate(program, clients, lasts)?);
            }
        }
        let medians = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rounds / 2]
        });
        for ((name, _), median) in NODES.iter().zip(medians) {
            let ratio = medians[0] / median;
            println!("| {clients} | {name} | {median:.0} | {ratio:.2} |");
        }
    }
    Ok(())
}

/// How many writes a second are acknowledged to so many clients that wait.
fn rate(program: &str, clients: u64, lasts: Duration) -> io::Result<f64> {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/disk");
    if fs::exists(folder)? {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut node = Command::new(program)
        .env("GLOMER_DISK", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = node.stdin.take().expect("it is piped");
    let mut stdout = node.stdout.take().expect("it is piped");
    let init = r#"{"src":"c","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#;
    writeln!(stdin, "{init}")?;
    let mut room = [0; 64 * 1024];
    let mut answers = |room: &mut [u8]| {
        let read = stdout.read(room)?;
        assert!(read > 0, "{program} has ended");
        let ends = room[..read].iter().filter(|byte| **byte == b'\n');
        io::Result::Ok(ends.count() as u64)
    };
    assert_eq!(answers(&mut room)?, 1);
    let (mut asked, mut done, mut free) = (0, 0, clients);
    let started = Instant::now();
    while started.elapsed() < lasts {
        let mut requests = Vec::new();
        for value in asked..asked + free {
            let id = value + 2;
            writeln!(
                requests,
                r#"{{"src":"c{value}","dest":"n1","body":{{"type":"add","msg_id":{id},"value":{value}}}}}"#
            )?;
        }
        stdin.write_all(&requests)?;
        asked += free;
        free = answers(&mut room)?;
        done += free;
    }
    let rate = done as f64 / started.elapsed().as_secs_f64();
    drop(stdin);
    node.kill()?;
    node.wait()?;
    Ok(rate)
}
