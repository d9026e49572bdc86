//! The floor: a loop that can echo and nothing else, typed and with borrowed
//! strings, as fast as `serde_json` makes it without tricks.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, BufWriter, Write};

use serde::{Deserialize, Serialize};

const BUFFER: usize = 64 * 1024;

#[derive(Deserialize)]
struct Request<'a> {
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: RequestBody<'a>,
}

#[derive(Deserialize)]
struct RequestBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    msg_id: u64,
    #[serde(borrow, default)]
    echo: Cow<'a, str>,
}

#[derive(Serialize)]
struct Reply<'a> {
    src: &'a str,
    dest: &'a str,
    body: ReplyBody<'a>,
}

#[derive(Serialize)]
struct ReplyBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    in_reply_to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a str>,
}

fn main() -> io::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER, io::stdin());
    let mut output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let request: Request<'_> = serde_json::from_str(&line)?;
        let (kind, echo) = match request.body.kind {
            "echo" => ("echo_ok", Some(&*request.body.echo)),
            _ => ("init_ok", None),
        };
        let reply = Reply {
            src: request.dest,
            dest: request.src,
            body: ReplyBody {
                kind,
                in_reply_to: request.body.msg_id,
                echo,
            },
        };
        serde_json::to_writer(&mut output, &reply)?;
        output.write_all(b"\n")?;
        line.clear();
        // The next read may wait, and nobody waits for a reply meanwhile.
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
    }
    output.flush()
}
