//! The driver for Maelstrom and the workbench: lines over standard input and
//! output.

use std::borrow::Cow;
use std::env::{self, VarError};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::{Action, Init, Node, Output};

/// How much is read at once.
const BATCH: usize = 64 * 1024;

/// How much output is gathered before a write: with the line that exceeds it,
/// most often, what an empty pipe takes on Linux (64 KiB), so that the node
/// goes on while its reader wakes up.
const OUTPUT_BATCH: usize = 64 * 1024 - 512;

/// How long a line may be unless `GLOMER_MAX_LINE` says otherwise, in bytes.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// How much of a line beyond the limit is kept to be shown.
const EXCERPT: usize = 256;

/// Runs the node whose handlers have the state `S` on standard input and
/// output, until the input ends.
///
/// Everything read is answered and written before it returns. Two
/// environment variables are read: `GLOMER_LOG`, how much to tell on standard
/// error (see [`Level`](crate::log::Level)), and `GLOMER_MAX_LINE`, how long
/// a line may be, in bytes (16 MiB unless set); longer lines are refused with
/// an error on standard error.
///
/// Standard output belongs to the protocol: while the node runs, what its
/// handlers `println!` goes to standard error.
///
/// ```no_run
/// # #[derive(Default)]
/// # struct State;
/// fn main() -> std::process::ExitCode {
///     glomer_runtime::run::<State>()
/// }
/// ```
pub fn run<S: Default + 'static>() -> ExitCode {
    run_with(|_| S::default())
}

/// The same for a state that is made from what `init` says.
///
/// ```no_run
/// struct State {
///     me: usize,
/// }
///
/// fn main() -> std::process::ExitCode {
///     glomer_runtime::run_with(|init| State {
///         me: init.node_ids.iter().position(|id| *id == init.node_id).unwrap(),
///     })
/// }
/// ```
pub fn run_with<S: 'static>(make: impl FnMut(&Init) -> S + 'static) -> ExitCode {
    match serve(make) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output is gone; there is nobody to tell.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glomer error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Reads an environment variable; `None` if it is not set.
fn setting<T>(
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    let text = match env::var(name) {
        Ok(text) => text,
        Err(VarError::NotPresent) => return Ok(None),
        Err(error) => return Err(format!("{name}: {error}").into()),
    };
    match read(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(format!("{name}: {error}").into()),
    }
}

fn line_limit(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no number of bytes; write one such as {MAX_LINE}"))
}

fn serve<S: 'static>(make: impl FnMut(&Init) -> S + 'static) -> Result<(), Failure> {
    // `RandomState` is the standard library's only source of random numbers.
    let mut node = Node::with(RandomState::new().hash_one(0), make)?;
    if let Some(level) = setting("GLOMER_LOG", str::parse)? {
        node.set_log_level(level);
    }
    node.warn_of_other_states();
    let max_line = setting("GLOMER_MAX_LINE", line_limit)?.unwrap_or(MAX_LINE);
    if io::stdin().is_terminal() {
        eprintln!(
            "glomer: reading messages from the terminal, one JSON object a line; \
             see `glomer test --help` for a whole cluster"
        );
    }
    let started = Instant::now();
    let mut stdout = Stdout::take()?;
    let mut input = Input::new(max_line);
    loop {
        stdout.write(&mut node)?;
        let timeout = node
            .deadline()
            .map(|due| due.saturating_sub(started.elapsed()));
        let more = match timeout {
            None => input.read()?,
            Some(timeout) => !input.wait(timeout)? || input.read()?,
        };
        let now = started.elapsed();
        if node.deadline().is_some_and(|due| due <= now) {
            node.tick(now);
        }
        while let Some(line) = input.next_line() {
            match line {
                Line::Whole(line) => node.handle(now, line),
                Line::TooLong(start) => {
                    let why = format_args!(
                        "longer than {max_line} bytes (GLOMER_MAX_LINE raises the limit)"
                    );
                    node.refuse(&start, why);
                }
            }
            if node.output_len() >= OUTPUT_BATCH {
                stdout.write(&mut node)?;
            }
        }
        if !more {
            node.finish(started.elapsed());
            return Ok(stdout.write(&mut node)?);
        }
    }
}

/// Standard input, cut into lines.
struct Input {
    buffer: Vec<u8>,
    /// What of the buffer was read; the rest is room.
    filled: usize,
    /// What of the buffer is taken already.
    taken: usize,
    /// What of the buffer is known to hold no further line feed.
    searched: usize,
    max_line: usize,
    /// The beginning of a line beyond the limit, whose rest is dropped.
    refused: Option<Vec<u8>>,
    ended: bool,
}

enum Line<'a> {
    Whole(&'a [u8]),
    /// The beginning of a line beyond the limit.
    TooLong(Cow<'a, [u8]>),
}

impl Input {
    fn new(max_line: usize) -> Self {
        let buffer = Vec::new();
        Self {
            buffer,
            filled: 0,
            taken: 0,
            searched: 0,
            max_line,
            refused: None,
            ended: false,
        }
    }

    /// Waits until there is something to read; false if `timeout` passed.
    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let stdin = rustix::stdio::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        // A timeout beyond what the system can express is no timeout.
        let timeout = Timespec::try_from(timeout).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what there is, waiting for it; false at the end of input.
    fn read(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.searched -= self.taken;
        self.taken = 0;
        self.buffer.resize(self.filled + BATCH, 0);
        if self.filled < BATCH {
            // Give back what a long line took.
            self.buffer.shrink_to(4 * BATCH);
        }
        let room = &mut self.buffer[self.filled..];
        let read = loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *room) {
                Err(Errno::INTR) => {}
                result => break result?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// Takes the next line; at the end of input, the last one may lack its
    /// line feed.
    fn next_line(&mut self) -> Option<Line<'_>> {
        let rest = &self.buffer[self.searched..self.filled];
        let end = self.searched + (&*rest).skip_until(b'\n').unwrap_or(rest.len());
        let whole = end > self.searched && self.buffer[end - 1] == b'\n';
        let start = self.taken;
        self.searched = end;
        if !whole && self.refused.is_none() && end - start > self.max_line {
            self.refused = Some(self.buffer[start..start + EXCERPT.min(end - start)].into());
        }
        if !whole && self.refused.is_some() {
            self.taken = end;
        }
        if !whole && !(self.ended && (end > start || self.refused.is_some())) {
            return None;
        }
        self.taken = end;
        if let Some(start) = self.refused.take() {
            return Some(Line::TooLong(start.into()));
        }
        let line = &self.buffer[start..end - usize::from(whole)];
        Some(if line.len() > self.max_line {
            Line::TooLong(line.into())
        } else {
            Line::Whole(line)
        })
    }
}

/// Standard output, kept for messages.
struct Stdout {
    file: File,
    output: Output,
}

impl Stdout {
    /// Takes standard output for the protocol; what others print to it goes
    /// to standard error from now on.
    fn take() -> io::Result<Self> {
        let file = File::from(rustix::io::dup(rustix::stdio::stdout())?);
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self {
            file,
            output: Output::default(),
        })
    }

    /// Does what the node wants done, and writes what it has to tell.
    fn write<S>(&mut self, node: &mut Node<S>) -> io::Result<()> {
        for record in node.take_log() {
            eprintln!("{record}");
        }
        node.swap_output(&mut self.output);
        for action in self.output.actions() {
            match action {
                Action::Send(batch) => self.file.write_all(batch.lines())?,
            }
        }
        Ok(())
    }
}
