//! What stops a run, and how it is told.

use std::fmt;
use std::time::Duration;

use super::wire::LineError;
use crate::edn::Edn;

/// Something that a node must not do, or that keeps the run from going on. It ends the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The node, if one is to blame.
    pub node: Option<String>,
    /// What happened.
    pub kind: ProblemKind,
    /// The last lines that the node wrote to standard error.
    pub stderr: Vec<String>,
    /// Where all of them are.
    pub log: Option<String>,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A line on standard output is not a message.
    Line {
        /// The line, cut if it is long.
        line: String,
        /// What is wrong with it.
        error: LineError,
    },
    /// A message goes to, or says it comes from, someone who is not on the network.
    Stranger {
        /// The line, cut if it is long.
        line: String,
        /// `src` or `dest`.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// A line goes on and on.
    LineTooLong {
        /// How many bytes a line may have.
        limit: usize,
    },
    /// The process ended by itself.
    Crashed {
        /// How: its exit code or signal.
        status: String,
        /// Whether it had answered its `init`.
        ready: bool,
    },
    /// The process closed its standard output and runs on.
    ClosedOutput,
    /// The process could not be started.
    NotStarted {
        /// What the system said.
        error: String,
    },
    /// There was no answer to `init`.
    NoInit {
        /// How long the workbench waited.
        after: Duration,
        /// What the node wrote instead, if anything.
        instead: Option<NotAnAnswer>,
    },
    /// There was a wrong answer to `init`.
    InitFailed {
        /// The answer's body.
        answer: String,
    },
    /// The request after `init`, such as `topology`, did not go well.
    SetupFailed {
        /// Its type.
        request: String,
        /// What happened instead of a right answer.
        problem: String,
    },
    /// The node does not read what it is sent.
    NotReading {
        /// How many bytes wait for it.
        waiting: usize,
    },
    /// More messages are under way than there is memory for.
    Flood {
        /// How many bytes they have.
        bytes: usize,
    },
    /// The workload does not keep to the rules.
    Workload {
        /// Which one it breaks.
        error: String,
    },
    /// There is no end to what happens at one moment of virtual time.
    StandsStill {
        /// The nodes that send messages without end.
        nodes: Vec<String>,
    },
    /// The node did not answer the first turn of virtual time as it should.
    NoVirtualTime {
        /// What it did instead.
        instead: Instead,
    },
    /// The node did not come to the end of a turn.
    Hangs {
        /// How long the workbench waited, in real time.
        after: Duration,
    },
    /// Someone pressed Ctrl-C.
    Interrupted,
}

/// What a node did that does not know virtual time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// It wrote a line that is no end of a turn.
    Wrote {
        /// The line, cut if it is long.
        line: String,
    },
    /// The process ended.
    Ended {
        /// How: its exit code or signal.
        status: String,
    },
    /// It did not write anything.
    Nothing {
        /// How long the workbench waited, in real time.
        after: Duration,
    },
}

/// What a node wrote that would have been an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAnAnswer {
    /// A message whose `in_reply_to` is not the request's `msg_id`.
    NoReply {
        /// Its body, cut if it is long.
        body: String,
    },
    /// Something without a line break at its end.
    Unfinished {
        /// How many bytes.
        bytes: usize,
        /// What, cut if it is long.
        line: String,
    },
}

impl NotAnAnswer {
    /// What a node wrote after its last line break, if anything.
    pub fn unfinished(written: &[u8]) -> Option<NotAnAnswer> {
        (!written.is_empty()).then(|| NotAnAnswer::Unfinished {
            bytes: written.len(),
            line: excerpt(written),
        })
    }
}

impl Problem {
    /// A problem with a node.
    pub fn of(node: &str, kind: ProblemKind) -> Problem {
        Problem {
            node: Some(node.to_owned()),
            kind,
            stderr: Vec::new(),
            log: None,
        }
    }

    /// The interruption.
    pub fn interrupted() -> Problem {
        Problem::without_node(ProblemKind::Interrupted)
    }

    /// A problem with the workload.
    pub fn of_workload(error: String) -> Problem {
        Problem::without_node(ProblemKind::Workload { error })
    }

    /// Nodes that keep each other busy without end at one moment.
    pub fn stands_still(nodes: Vec<String>) -> Problem {
        Problem::without_node(ProblemKind::StandsStill { nodes })
    }

    fn without_node(kind: ProblemKind) -> Problem {
        Problem {
            node: None,
            kind,
            stderr: Vec::new(),
            log: None,
        }
    }

    /// Whether the nodes broke the protocol, which makes the run invalid, as opposed to
    /// something that kept it from going on.
    pub fn is_violation(&self) -> bool {
        match self.kind {
            ProblemKind::Line { .. }
            | ProblemKind::Stranger { .. }
            | ProblemKind::LineTooLong { .. } => true,
            ProblemKind::Crashed { .. }
            | ProblemKind::ClosedOutput
            | ProblemKind::NotStarted { .. }
            | ProblemKind::NoInit { .. }
            | ProblemKind::InitFailed { .. }
            | ProblemKind::SetupFailed { .. }
            | ProblemKind::NotReading { .. }
            | ProblemKind::Flood { .. }
            | ProblemKind::Workload { .. }
            | ProblemKind::StandsStill { .. }
            | ProblemKind::NoVirtualTime { .. }
            | ProblemKind::Hangs { .. }
            | ProblemKind::Interrupted => false,
        }
    }

    /// Whether it is that someone pressed Ctrl-C.
    pub fn is_interruption(&self) -> bool {
        self.kind == ProblemKind::Interrupted
    }

    /// Whether another seed may go without it.
    pub fn depends_on_the_seed(&self) -> bool {
        !matches!(
            self.kind,
            ProblemKind::NotStarted { .. }
                | ProblemKind::NoVirtualTime { .. }
                | ProblemKind::Workload { .. }
                | ProblemKind::Interrupted
        )
    }

    /// A short name.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The problem as the results hold it.
    pub fn to_edn(&self) -> Edn {
        let mut map = Edn::map([("type", Edn::kw(self.name()))]);
        if let Some(node) = &self.node {
            map.insert("node", node.as_str().into());
        }
        if let ProblemKind::Line { line, .. } | ProblemKind::Stranger { line, .. } = &self.kind {
            map.insert("line", line.as_str().into());
        }
        map.insert("text", self.headline().into());
        if self.node.is_some() {
            map.insert("stderr", self.stderr.clone().into());
        }
        map
    }

    /// The problem in one line.
    pub fn headline(&self) -> String {
        let node = self.node.as_deref().unwrap_or("?");
        match &self.kind {
            ProblemKind::Line { error, .. } => match error {
                LineError::NotJson(_) => {
                    format!("{node} wrote a line to standard output that is not JSON")
                }
                LineError::Empty => format!("{node} wrote an empty line to standard output"),
                LineError::ByteOrderMark => format!(
                    "{node} wrote a line that is not JSON: it begins with a byte order mark (BOM)"
                ),
                LineError::Malformed(reason) => {
                    format!("{node} wrote a line that is not a message: {reason}")
                }
            },
            ProblemKind::Stranger { field, name, .. } => {
                format!(
                    "{node} wrote a message whose {field} is {name:?}, and there is no {name:?} here"
                )
            }
            ProblemKind::LineTooLong { limit } => {
                format!("{node} wrote more than {limit} bytes without a line break")
            }
            ProblemKind::Crashed { status, .. } => format!("{node} ended by itself: {status}"),
            ProblemKind::ClosedOutput => format!("{node} closed its standard output and runs on"),
            ProblemKind::NotStarted { error } => format!("{node} could not be started: {error}"),
            ProblemKind::NoInit { after, instead } => {
                let instead = match instead {
                    None => String::new(),
                    Some(NotAnAnswer::NoReply { body }) => format!(
                        "; it wrote {body}, whose in_reply_to should be the msg_id of the init"
                    ),
                    Some(NotAnAnswer::Unfinished { bytes, line }) => {
                        format!("; it wrote {bytes} bytes without a line break: {line}")
                    }
                };
                format!("{node} did not answer its init message within {after:?}{instead}")
            }
            ProblemKind::InitFailed { answer } => {
                format!("{node} answered its init message not with init_ok but with {answer}")
            }
            ProblemKind::SetupFailed { request, problem } => {
                format!("{node} did not take its {request} message: {problem}")
            }
            ProblemKind::NotReading { waiting } => {
                format!("{node} does not read its standard input: {waiting} bytes wait for it")
            }
            ProblemKind::Flood { bytes } => {
                format!(
                    "{node} wrote one message too many: {bytes} bytes of messages are under way"
                )
            }
            ProblemKind::Workload { error } => error.clone(),
            ProblemKind::StandsStill { nodes } => format!(
                "time stands still: {} keep each other busy without end at one moment",
                nodes.join(", ")
            ),
            ProblemKind::NoVirtualTime { instead } => {
                let instead = match instead {
                    Instead::Wrote { line } => format!("answered the first turn with {line}"),
                    Instead::Ended { status } => format!("ended at its first turn: {status}"),
                    Instead::Nothing { after } => {
                        format!("did not answer its first turn within {after:?}")
                    }
                };
                format!("{node} does not know virtual time: it {instead}")
            }
            ProblemKind::Hangs { after } => {
                format!("{node} did not come to the end of a turn within {after:?} of real time")
            }
            ProblemKind::Interrupted => "the run was interrupted".to_owned(),
        }
    }

    fn advice(&self) -> Option<String> {
        if let ProblemKind::Crashed { ready: false, .. } = &self.kind {
            return Some(format!(
                "It had not answered its init. Nodes run in {}, as under Maelstrom: paths in \
                 arguments and of files that a node opens must be absolute.",
                super::directory().display()
            ));
        }
        let advice = match &self.kind {
            ProblemKind::Line { .. } => Some(
                "Standard output is for messages, one JSON object a line: \
                 {\"src\": …, \"dest\": …, \"body\": {…}}. Print anything else to standard error.",
            ),
            ProblemKind::Stranger { field: "dest", .. } => Some(
                "The names on the network are the nodes of init's node_ids, the clients that \
                 sent a request, and lin-kv, seq-kv, lww-kv and lin-tso.",
            ),
            ProblemKind::Stranger { .. } => Some("A message's src is the name of its own node."),
            ProblemKind::NoInit { .. } => Some(
                "A node answers {\"type\": \"init\", \"msg_id\": M, …} with \
                 {\"type\": \"init_ok\", \"in_reply_to\": M}. Does it flush its output?",
            ),
            ProblemKind::NoVirtualTime { .. } => Some(
                "Without --clock virtual it runs in real time. Virtual time needs a node that \
                 speaks the clock protocol, as all nodes of this framework do; how a node in \
                 another language does is a page of the documentation of glomer-runtime, \
                 guide::clock.",
            ),
            ProblemKind::Hangs { .. } => {
                Some("Does it sleep, wait for something outside of the run, or loop without end?")
            }
            ProblemKind::StandsStill { .. } => Some(
                "Messages that provoke each other without end need a latency, and what a node \
                 repeats needs a pause.",
            ),
            _ => None,
        };
        advice.map(str::to_owned)
    }
}

impl ProblemKind {
    /// A short name.
    fn name(&self) -> &'static str {
        match self {
            ProblemKind::Line {
                error: LineError::Malformed(_),
                ..
            } => "malformed-message",
            ProblemKind::Line { .. } => "not-json",
            ProblemKind::Stranger { .. } => "unknown-name",
            ProblemKind::LineTooLong { .. } => "line-too-long",
            ProblemKind::Crashed { .. } => "node-crashed",
            ProblemKind::ClosedOutput => "output-closed",
            ProblemKind::NotStarted { .. } => "node-not-started",
            ProblemKind::NoInit { .. } => "init-not-answered",
            ProblemKind::InitFailed { .. } => "init-failed",
            ProblemKind::SetupFailed { .. } => "setup-failed",
            ProblemKind::NotReading { .. } => "node-not-reading",
            ProblemKind::Flood { .. } => "message-flood",
            ProblemKind::Workload { .. } => "workload",
            ProblemKind::StandsStill { .. } => "time-stands-still",
            ProblemKind::NoVirtualTime { .. } => "no-virtual-time",
            ProblemKind::Hangs { .. } => "node-hangs",
            ProblemKind::Interrupted => "interrupted",
        }
    }
}

/// The whole explanation: the problem, the line, the way out, and the node's last words.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        if let ProblemKind::Line { line, .. } | ProblemKind::Stranger { line, .. } = &self.kind
            && !line.trim().is_empty()
        {
            writeln!(f, "\n    {line}\n")?;
        }
        if let Some(advice) = self.advice() {
            writeln!(f, "{advice}")?;
        }
        let ran = !matches!(self.kind, ProblemKind::NotStarted { .. });
        if let (true, Some(node), Some(log)) = (ran, &self.node, &self.log) {
            match self.stderr.as_slice() {
                [] => writeln!(f, "{node} wrote nothing to standard error ({log}).")?,
                lines => {
                    writeln!(f, "The last that {node} wrote to standard error ({log}):\n")?;
                    for line in lines {
                        writeln!(f, "    {line}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A line as it can be shown: without what a terminal could not, and not too long.
pub fn excerpt(line: &[u8]) -> String {
    const SHOWN: usize = 400;
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN)]);
    let clean: String = text
        .chars()
        .map(|c| {
            let shows = !c.is_control() && c != '\u{feff}';
            if shows { c } else { '·' }
        })
        .take(SHOWN)
        .collect();
    if clean.len() < line.len() && clean.chars().count() == SHOWN {
        format!("{clean}…")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_shows_the_line_the_node_and_its_last_words() {
        let error = LineError::NotJson("expected value at line 1 column 1".to_owned());
        let line = excerpt(b"hello \x1b[31mworld");
        let mut problem = Problem::of("n1", ProblemKind::Line { line, error });
        problem.stderr = vec!["starting".to_owned(), "oh no".to_owned()];
        problem.log = Some("store/latest/node-logs/n1.log".to_owned());
        let text = problem.to_string();
        for part in [
            "n1",
            "hello ·[31mworld",
            "not JSON",
            "Print anything else",
            "    oh no",
            "n1.log",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(excerpt(&[b'x'; 10_000]).chars().count(), 401);
        assert_eq!(excerpt("é".repeat(300).as_bytes()).chars().count(), 300);
    }
}
