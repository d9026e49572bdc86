//! What nodes report as errors on their standard error.
//!
//! A line that begins with `glomer error: ` tells of an error. Nodes of this framework write
//! it when a handler panics or a reply cannot be written; a node in any language may:
//!
//! ```text
//! glomer error: `broadcast` at src/main.rs:24 panicked at src/main.rs:25:9: no such key
//! glomer error: `read` at node.py:12: KeyError: 'x'
//! ```
//!
//! Errors are counted by node and cause. The cause is everything up to the first place in the
//! line (`file:line` or `file:line:column`, before a colon and a blank); what follows differs
//! from one time to the next. In a line that names no place, all but the numbers is the cause.
//! Of all other lines the last ones are kept.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use memchr::memchr;

use crate::edn::Edn;

/// How a line begins that tells of an error.
const MARK: &str = "glomer error: ";
/// As many causes of one node are told apart; more are counted together.
const MOST_CAUSES: usize = 20;
/// As much is read of a line.
const LINE_BYTES: usize = 1_024;
/// As much is kept of a line that tells of no error, and as many of them.
const TAIL_CHARS: usize = 200;
const TAIL_LINES: usize = 3;
/// As many causes are told in the terminal.
const CAUSES_TOLD: usize = 5;

/// What nodes report as errors, and what else they write to standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeErrors {
    /// The errors, those of the first node first.
    pub causes: Vec<Cause>,
    /// The nodes that wrote other lines.
    pub others: Vec<OtherLines>,
}

/// One cause of errors on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The node.
    pub node: String,
    /// What the errors have in common: which handler, and where.
    pub cause: String,
    /// How often it came to this.
    pub count: u64,
    /// The whole text of the first such error.
    pub sample: String,
}

/// Lines on a node's standard error that do not tell of errors in a known form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherLines {
    /// The node.
    pub node: String,
    /// How many there are.
    pub count: u64,
    /// The last of them, cut if they are long.
    pub tail: Vec<String>,
}

impl NodeErrors {
    /// Reads what a node wrote to its standard error; a file that is not there has nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self, node: &str, log: &Path) -> io::Result<()> {
        match File::open(log) {
            Ok(file) => self.take(node, BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes what a node wrote to its standard error.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn take(&mut self, node: &str, mut stderr: impl BufRead) -> io::Result<()> {
        let first = self.causes.len();
        let mut line = Vec::new();
        while next_line(&mut stderr, &mut line)? {
            let text = String::from_utf8_lossy(&line);
            match text.trim_end().strip_prefix(MARK) {
                Some(error) => self.count(first, node, error),
                None => self.note(node, text.trim_end()),
            }
        }
        Ok(())
    }

    /// Takes a line of a node that tells of no error.
    pub fn note(&mut self, node: &str, line: &str) {
        let known = self.others.iter().position(|lines| lines.node == node);
        let place = known.unwrap_or_else(|| {
            self.others.push(OtherLines {
                node: node.to_owned(),
                count: 0,
                tail: Vec::new(),
            });
            self.others.len() - 1
        });
        let lines = &mut self.others[place];
        lines.count += 1;
        if lines.tail.len() == TAIL_LINES {
            lines.tail.remove(0);
        }
        lines.tail.push(line.chars().take(TAIL_CHARS).collect());
    }

    /// Takes an error that a node reported, without the beginning of the line. Those of one
    /// node come together.
    pub fn report(&mut self, node: &str, error: &str) {
        let mut nodes = self.causes.iter().map(|cause| &cause.node);
        let first = nodes.position(|other| other == node);
        self.count(first.unwrap_or(self.causes.len()), node, error);
    }

    /// Counts an error of the node whose causes begin at `first`.
    fn count(&mut self, first: usize, node: &str, error: &str) {
        let cause = cause(error);
        let known = &mut self.causes[first..];
        let room = known.len() < MOST_CAUSES;
        let same = known.iter().position(|known| known.cause == cause);
        match same.or((!room).then_some(MOST_CAUSES)) {
            Some(index) if index < known.len() => known[index].count += 1,
            _ => self.causes.push(Cause {
                node: node.to_owned(),
                cause: if room {
                    cause
                } else {
                    "other causes".to_owned()
                },
                count: 1,
                sample: error.to_owned(),
            }),
        }
    }

    /// How often nodes reported errors.
    pub fn total(&self) -> u64 {
        self.causes.iter().map(|cause| cause.count).sum()
    }

    /// The errors as the results hold them; nothing if nodes wrote nothing to standard error.
    pub fn to_edn(&self) -> Option<Edn> {
        if self.causes.is_empty() && self.others.is_empty() {
            return None;
        }
        let causes = self.causes.iter().map(|cause| {
            Edn::map([
                ("node", cause.node.as_str().into()),
                ("cause", cause.cause.as_str().into()),
                ("count", cause.count.into()),
                ("sample", cause.sample.as_str().into()),
            ])
        });
        let others = self.others.iter().map(|lines| {
            Edn::map([
                ("node", lines.node.as_str().into()),
                ("count", lines.count.into()),
                ("last", lines.tail.clone().into()),
            ])
        });
        Some(Edn::map([
            ("count", self.total().into()),
            ("causes", Edn::vector(causes)),
            ("other-lines", Edn::vector(others)),
        ]))
    }
}

/// The errors for people, a line for each cause; nothing if there are none.
impl fmt::Display for NodeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut often: Vec<&Cause> = self.causes.iter().collect();
        often.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        for (number, cause) in often.iter().take(CAUSES_TOLD).enumerate() {
            let Cause {
                node,
                count,
                sample,
                ..
            } = cause;
            let times = if *count == 1 {
                "an error".to_owned()
            } else {
                format!("{count} errors, such as")
            };
            let end = if number > 0 { "\n" } else { "" };
            write!(f, "{end}{node} reported {times}: {sample}")?;
        }
        if often.len() > CAUSES_TOLD {
            write!(f, "\n:node-errors has {} more", often.len() - CAUSES_TOLD)?;
        }
        Ok(())
    }
}

/// What an error has in common with others of its kind.
fn cause(error: &str) -> String {
    let ends = error.match_indices(": ").map(|(end, _)| end);
    let places = ends.filter(|end| {
        let word = error[..*end].rsplit(' ').next().unwrap_or_default();
        is_place(word)
    });
    match places.min() {
        Some(end) => error[..end].to_owned(),
        None => {
            let mut text = String::new();
            for c in error.chars() {
                let c = if c.is_ascii_digit() { '#' } else { c };
                if c != '#' || !text.ends_with('#') {
                    text.push(c);
                }
            }
            text
        }
    }
}

/// Whether a word is `file:line` or `file:line:column`.
fn is_place(word: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some((file, number)) = word.rsplit_once(':').filter(|(_, line)| is_number(line)) else {
        return false;
    };
    let file = match file.rsplit_once(':') {
        Some((file, line)) if is_number(line) => file,
        _ => file,
    };
    !number.is_empty() && file.contains('.')
}

/// Reads the beginning of a line, and over the rest of it. False at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = LINE_BYTES - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let read = end.map_or(bytes.len(), |end| end + 1);
        input.consume(read);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stderr: &str) -> NodeErrors {
        let mut errors = NodeErrors::default();
        errors.take("n1", stderr.as_bytes()).unwrap();
        errors
    }

    fn counted(stderr: &str) -> Vec<(String, u64)> {
        let causes = read(stderr).causes.into_iter();
        causes.map(|cause| (cause.cause, cause.count)).collect()
    }

    #[test]
    fn errors_of_one_place_are_one_cause() {
        let panics: String = (0..150)
            .map(|n| {
                format!(
                    "glomer error: `put` at src/main.rs:24 panicked at src/main.rs:25:9: {n}: {n}\n"
                )
            })
            .collect();
        let errors = read(&panics);
        let expected = Cause {
            node: "n1".to_owned(),
            cause: "`put` at src/main.rs:24 panicked at src/main.rs:25:9".to_owned(),
            count: 150,
            sample: "`put` at src/main.rs:24 panicked at src/main.rs:25:9: 0: 0".to_owned(),
        };
        assert_eq!(errors.causes, [expected]);
        assert_eq!(
            errors.to_string(),
            "n1 reported 150 errors, such as: `put` at src/main.rs:24 panicked at \
             src/main.rs:25:9: 0: 0"
        );
        let python = "glomer error: `read` at node.py:12: KeyError: 'x'\nglomer error: `read` at node.py:12: KeyError: 'y'";
        assert_eq!(counted(python), [("`read` at node.py:12".to_owned(), 2)]);
    }

    #[test]
    fn without_a_place_numbers_make_no_difference() {
        let lines = "glomer error: line 17 refused\nglomer error: line 9 refused\nglomer error: at 12:30: no\n";
        let expected = [
            ("line # refused".to_owned(), 2),
            ("at #:#: no".to_owned(), 1),
        ];
        assert_eq!(counted(lines), expected);
    }

    #[test]
    fn other_lines_are_counted_and_their_end_is_kept() {
        let errors = read("one\ntwo\nglomer warn: three\nfour\n");
        assert_eq!(errors.causes, []);
        assert_eq!(errors.to_string(), "");
        let [lines] = &errors.others[..] else {
            panic!("{errors:?}");
        };
        assert_eq!((lines.count, lines.tail.len()), (4, 3));
        assert_eq!(lines.tail, ["two", "glomer warn: three", "four"]);
        assert_eq!(read("").to_edn(), None);
    }

    #[test]
    fn whatever_a_node_writes_little_is_kept() {
        let endless = "x".repeat(10 << 20);
        let errors = read(&endless);
        assert_eq!(errors.others[0].tail, ["x".repeat(TAIL_CHARS)]);
        let many: String = (0..1_000)
            .map(|n| format!("glomer error: a.rs:{n}: {}\n", "y".repeat(5_000)))
            .collect();
        let errors = read(&many);
        assert_eq!(errors.total(), 1_000);
        assert_eq!(errors.causes.len(), MOST_CAUSES + 1);
        assert_eq!(errors.causes[MOST_CAUSES].cause, "other causes");
        assert!(errors.causes.iter().all(|c| c.sample.len() <= LINE_BYTES));
    }
}
