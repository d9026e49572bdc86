//! The requests of a client that echoes, and the account of their replies.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The first line of every run, written as Maelstrom does.
pub(crate) const INIT: &str = r#"{"id":0,"src":"c0","dest":"n0","body":{"type":"init","node_id":"n0","node_ids":["n0"],"msg_id":1}}"#;

fn client(request: u64) -> String {
    format!("c{}", request % 10 + 1)
}

fn text(request: u64) -> String {
    format!("Please echo {}", request * 7919 % 128)
}

/// The line of request number `request`.
pub(crate) fn line(request: u64) -> String {
    format!(
        r#"{{"id":{id},"src":"{client}","dest":"n0","body":{{"type":"echo","echo":"{text}","msg_id":{msg_id}}}}}"#,
        id = request + 1,
        client = client(request),
        text = text(request),
        msg_id = request + 2,
    )
}

/// Writes `init` and the requests 0 to `count` to a file.
pub(crate) fn file(directory: &Path, count: u64) -> io::Result<PathBuf> {
    let path = directory.join(format!("echo-{count}.jsonl"));
    let mut file = BufWriter::new(File::create(&path)?);
    writeln!(file, "{INIT}")?;
    for request in 0..count {
        writeln!(file, "{}", line(request))?;
    }
    file.flush()?;
    Ok(path)
}

#[derive(Deserialize)]
struct Reply<'a> {
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: AnswerBody<'a>,
}

#[derive(Deserialize)]
struct AnswerBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    in_reply_to: u64,
    echo: Option<&'a str>,
}

impl Reply<'_> {
    fn is_init_ok(&self) -> bool {
        self.body.kind == "init_ok"
    }

    fn answers(&self, request: u64) -> bool {
        self.src == "n0"
            && self.dest == client(request)
            && self.body.kind == "echo_ok"
            && self.body.echo == Some(&text(request))
    }
}

/// Whether `line` is the right reply to request number `request`.
pub(crate) fn is_reply(line: &[u8], request: u64) -> bool {
    serde_json::from_slice::<Reply<'_>>(line)
        .is_ok_and(|reply| reply.body.in_reply_to == request + 2 && reply.answers(request))
}

/// What became of the requests.
#[derive(Clone, Copy, Default)]
pub(crate) struct Account {
    /// Answered rightly, once.
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    /// Lines that answer no request, or not as they should.
    pub(crate) wrong: u64,
}

impl Account {
    /// Checks the lines of `output` against the requests 0 to `count`.
    pub(crate) fn of(output: &[u8], count: u64) -> Self {
        let mut account = Self::default();
        let mut seen = vec![false; usize::try_from(count).expect("requests fit in memory")];
        for line in output.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            match serde_json::from_slice::<Reply<'_>>(line) {
                Ok(reply) if reply.is_init_ok() => {}
                Ok(reply) => {
                    let request = reply.body.in_reply_to.wrapping_sub(2);
                    match seen.get_mut(request as usize) {
                        Some(seen) if reply.answers(request) => {
                            account.repeated += u64::from(*seen);
                            *seen = true;
                        }
                        _ => account.wrong += 1,
                    }
                }
                Err(_) => account.wrong += 1,
            }
        }
        account.answered = seen.iter().filter(|seen| **seen).count() as u64;
        account.lost = count - account.answered;
        account
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.repeated + self.wrong == 0
    }
}

impl Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.lost, "lost"),
            (self.repeated, "repeated"),
            (self.wrong, "wrong"),
        ] {
            if count > 0 {
                parts.push(format!("{what} {count}"));
            }
        }
        if parts.is_empty() {
            f.write_str("all answered")
        } else {
            f.write_str(&parts.join(", "))
        }
    }
}
