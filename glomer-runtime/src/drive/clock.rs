//! Virtual time over standard input and output: turns instead of a clock.
//!
//! The protocol is described in [`guide::clock`](crate::guide::clock).

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::input::{Input, Line};
use super::stderr::Stderr;
use super::stdio::{Failure, OUTPUT_BATCH, Stdout};
use crate::Node;
use crate::log::excerpt;

/// Whom turns come from.
const CLOCK: &str = "clock";

/// A line that begins a turn.
#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    body: TurnBody<'a>,
}

#[derive(Deserialize)]
struct TurnBody<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    msg_id: u64,
    now: u64,
    messages: u64,
    seed: Option<u64>,
}

impl<'a> Turn<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let turn: Self = serde_json::from_slice(line).ok()?;
        (turn.src == CLOCK && turn.body.kind == "clock").then_some(turn)
    }
}

/// The turn that says there will be turns: the first line of all.
pub(super) struct Greeting {
    /// What the node is called; the clock knows before `init` does.
    name: String,
    seed: u64,
}

impl Greeting {
    /// Reads the first line; `None` if it is for a node in real time.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let turn = Turn::read(line)?;
        Some(Self {
            name: turn.dest.into_owned(),
            seed: turn.body.seed?,
        })
    }
}

/// How a node says that its turn is over.
#[derive(Serialize)]
struct Done<'a> {
    src: &'a str,
    dest: &'a str,
    body: DoneBody,
}

#[derive(Serialize)]
struct DoneBody {
    #[serde(rename = "type")]
    kind: &'static str,
    in_reply_to: u64,
    next: Option<u64>,
}

/// Runs the node turn by turn, the greeting's first, until the input ends.
pub(super) fn serve<S>(
    node: &mut Node<S>,
    input: &mut Input,
    stdout: &mut Stdout,
    stderr: &mut Stderr,
    greeting: &Greeting,
) -> Result<(), Failure> {
    node.reseed(greeting.seed);
    let mut now = Duration::ZERO;
    let mut lines = Vec::new();
    loop {
        let line = match input.next_line() {
            Some(Line::Whole(line)) => line,
            Some(Line::TooLong(start)) => return Err(no_turn(&start)),
            None => {
                if input.read_or_wait()? {
                    continue;
                }
                break;
            }
        };
        let turn = Turn::read(line).ok_or_else(|| no_turn(line))?;
        let TurnBody {
            msg_id,
            now: nanos,
            messages,
            ..
        } = turn.body;
        now = now.max(Duration::from_nanos(nanos));
        if node.deadline().is_some_and(|due| due <= now) {
            node.tick(now);
        }
        let mut handled = 0;
        while handled < messages {
            if input.hand_over(node, now) {
                handled += 1;
            } else if !input.read_or_wait()? {
                break;
            }
            if node.output_len() >= OUTPUT_BATCH {
                stdout.gather(node, stderr, &mut lines)?;
                stdout.write_gathered(&mut lines)?;
            }
        }
        if handled < messages {
            break;
        }
        stdout.gather(node, stderr, &mut lines)?;
        let done = Done {
            src: &greeting.name,
            dest: CLOCK,
            body: DoneBody {
                kind: "clock_ok",
                in_reply_to: msg_id,
                // What is centuries away never comes.
                next: node
                    .deadline()
                    .and_then(|due| due.as_nanos().try_into().ok()),
            },
        };
        serde_json::to_writer(&mut lines, &done)?;
        lines.push(b'\n');
        stdout.write_gathered(&mut lines)?;
    }
    node.finish(now);
    stdout.gather(node, stderr, &mut lines)?;
    Ok(stdout.write_gathered(&mut lines)?)
}

fn no_turn(line: &[u8]) -> Failure {
    let line = excerpt(line);
    format!(
        "this node is in virtual time, where a message belongs to a turn, and this is none: {line}"
    )
    .into()
}
