//! What the nodes by hand have in common: they take all requests that have come by then, keep
//! their values at once, and answer.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    src: String,
    dest: String,
    body: Request,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: String,
    msg_id: u64,
    #[serde(default)]
    value: u64,
}

/// The folder to keep things in.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("GLOMER_DISK")
        .expect("GLOMER_DISK names a folder")
        .into()
}

/// Serves until the input ends. `keep` makes values durable, all at once.
pub(crate) fn serve(mut keep: impl FnMut(&[u64])) -> io::Result<()> {
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let mut number = 0;
    let (mut buffer, mut room) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = stdin.read(&mut room)?;
        if read == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&room[..read]);
        let end = buffer.iter().rposition(|byte| *byte == b'\n');
        let Some(end) = end else { continue };
        let (mut values, mut answers) = (Vec::new(), Vec::new());
        for line in buffer[..end].split(|byte| *byte == b'\n') {
            let Line { src, dest, body } = serde_json::from_slice(line)?;
            let (kind, id) = (body.kind, body.msg_id);
            write!(
                answers,
                r#"{{"src":"{dest}","dest":"{src}","body":{{"type":"{kind}_ok","in_reply_to":{id}"#
            )?;
            if kind == "add" {
                write!(answers, r#","number":{number}"#)?;
                values.push(body.value);
                number += 1;
            }
            answers.extend_from_slice(b"}}\n");
        }
        buffer.drain(..=end);
        if !values.is_empty() {
            keep(&values);
        }
        stdout.write_all(&answers)?;
        stdout.flush()?;
    }
}
