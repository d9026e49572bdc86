//! The driver for Maelstrom and the workbench: lines over standard input and
//! output.

use std::env::{self, VarError};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::bell::Bell;
use super::clock::{self, Greeting};
use super::disk::{self, Disk};
use super::input::Input;
use super::stderr::Stderr;
use super::wait;
use crate::log::Level;
use crate::{Init, Node, Output};

/// How much output is gathered before a write: with the line that exceeds it,
/// most often, what an empty pipe takes on Linux (64 KiB), so that the node
/// goes on while its reader wakes up.
pub(super) const OUTPUT_BATCH: usize = 64 * 1024 - 512;

/// How long to wait for room to write what is left to tell at the end.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long a line may be unless `GLOMER_MAX_LINE` says otherwise, in bytes.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// Runs the node whose handlers have the state `S` on standard input and
/// output, until the input ends.
///
/// Everything read is answered and written before it returns. Three
/// environment variables are read: `GLOMER_DISK`, the folder that the node has
/// for a [disk](crate::Context::disk), if this crate is built with its feature
/// `disk`; `GLOMER_LOG`, how much to tell on standard
/// error (see [`Level`](crate::log::Level)), and `GLOMER_MAX_LINE`, how long
/// a line may be, in bytes (16 MiB unless set); longer lines are refused with
/// an error on standard error.
///
/// Standard output belongs to the protocol: while the node runs, what its
/// handlers `println!` goes to standard error.
///
/// What the runtime has to tell holds up nothing: while standard error is
/// full and nobody reads it, up to 64 KiB wait, and what is beyond, or fails
/// to be written, is counted, and the count is told when that is possible.
/// What handlers print themselves is theirs: it waits for a reader as any
/// program's does, and `println!` and `eprintln!` panic where standard error
/// cannot be written, which is answered as any panic of a handler is.
///
/// ```no_run
/// # #[derive(Default)]
/// # struct State;
/// fn main() -> std::process::ExitCode {
///     glomer_runtime::run::<State>()
/// }
/// ```
pub fn run<S: Default + 'static>() -> ExitCode {
    Stdio::new().run::<S>()
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
    Stdio::new().run_with(make)
}

/// How a node is run on standard input and output, where that is not as
/// [`run`] does it.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "it does nothing before `run`"]
pub struct Stdio {
    disk_or_memory: bool,
}

impl Stdio {
    /// As [`run`] does it, unless told otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where there is no `GLOMER_DISK`, lets the node keep in memory what it
    /// would keep on its [disk](crate::Context::disk), and lose it when it
    /// ends. Otherwise a node that asks for a disk is stopped there, with
    /// words.
    ///
    /// ```no_run
    /// # #[derive(Default)]
    /// # struct State;
    /// fn main() -> std::process::ExitCode {
    ///     glomer_runtime::Stdio::new().disk_or_memory().run::<State>()
    /// }
    /// ```
    pub fn disk_or_memory(mut self) -> Self {
        self.disk_or_memory = true;
        self
    }

    /// Does what [`run`](run()) does.
    pub fn run<S: Default + 'static>(self) -> ExitCode {
        self.run_with(|_| S::default())
    }

    /// Does what [`run_with`] does.
    pub fn run_with<S: 'static>(self, make: impl FnMut(&Init) -> S + 'static) -> ExitCode {
        let mut stderr = Stderr::default();
        let code = match serve(self, make, &mut stderr) {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read the output is gone; there is nobody to tell.
            Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
            Err(error) => {
                stderr.tell(format_args!("glomer {}: {error}", Level::Error));
                ExitCode::FAILURE
            }
        };
        stderr.write(LAST_WORDS);
        code
    }
}

pub(super) type Failure = Box<dyn std::error::Error>;

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

fn serve<S: 'static>(
    how: Stdio,
    make: impl FnMut(&Init) -> S + 'static,
    stderr: &mut Stderr,
) -> Result<(), Failure> {
    // `RandomState` is the standard library's only source of random numbers.
    let mut node = Node::with(RandomState::new().hash_one(0), make)?;
    if let Some(level) = setting("GLOMER_LOG", str::parse)? {
        node.set_log_level(level);
    }
    node.warn_of_other_states();
    let max_line = setting("GLOMER_MAX_LINE", line_limit)?.unwrap_or(MAX_LINE);
    if io::stdin().is_terminal() {
        stderr.tell(
            "glomer: reading messages from the terminal, one JSON object a line; \
             see `glomer test --help` for a whole cluster",
        );
    }
    let started = Instant::now();
    let disk = Disk::set_up(&mut node, how.disk_or_memory)?;
    let mut stdout = Stdout::take(disk)?;
    let mut input = Input::new(max_line);
    let bell = Bell::new()?;
    node.set_waker(bell.waker());
    let mut is_first = true;
    loop {
        stdout.write(&mut node, stderr)?;
        let deadline = node.deadline();
        let only_input_matters = deadline.is_none() && node.is_idle() && !stderr.waits_for_room();
        let more = if only_input_matters && input.waits() {
            input.read()?
        } else {
            let timeout = deadline.map(|due| due.saturating_sub(started.elapsed()));
            !sleep(timeout, &bell, stderr)? || input.read()?
        };
        let now = started.elapsed();
        if node.deadline().is_some_and(|due| due <= now) {
            node.tick(now);
        }
        if is_first && let Some(line) = input.peek() {
            is_first = false;
            if let Some(greeting) = Greeting::read(line) {
                return clock::serve(&mut node, &mut input, &mut stdout, stderr, &greeting);
            }
        }
        while input.hand_over(&mut node, now) {
            if node.output_len() >= OUTPUT_BATCH {
                stdout.write(&mut node, stderr)?;
            }
        }
        if !more {
            node.finish(started.elapsed());
            return Ok(stdout.write(&mut node, stderr)?);
        }
    }
}

/// Sleeps until there is something to do, or `timeout` has passed; true if
/// there is input to read.
fn sleep(timeout: Option<Duration>, bell: &Bell, stderr: &Stderr) -> io::Result<bool> {
    let (stdin, stderr_fd) = (rustix::stdio::stdin(), rustix::stdio::stderr());
    let mut fds = [
        PollFd::new(&stdin, PollFlags::IN),
        PollFd::new(bell, PollFlags::IN),
        PollFd::new(&stderr_fd, PollFlags::OUT),
    ];
    let watched = 2 + usize::from(stderr.waits_for_room());
    wait(&mut fds[..watched], timeout)?;
    if !fds[1].revents().is_empty() {
        bell.silence()?;
    }
    Ok(!fds[0].revents().is_empty())
}

/// Standard output, kept for messages.
pub(super) struct Stdout {
    file: File,
    disk: Disk,
    output: Output,
}

impl Stdout {
    /// Takes standard output for the protocol; what others print to it goes
    /// to standard error from now on.
    fn take(disk: Disk) -> io::Result<Self> {
        let file = File::from(rustix::io::dup(rustix::stdio::stdout())?);
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self {
            file,
            disk,
            output: Output::default(),
        })
    }

    /// Writes what the node has to tell, and does what it wants done.
    fn write<S>(&mut self, node: &mut Node<S>, stderr: &mut Stderr) -> io::Result<()> {
        self.take_output(node, stderr)?;
        write_all(&self.file, self.output.before_writes().lines())?;
        self.disk.keep(node, &self.output, true)?;
        write_all(&self.file, self.output.after_writes().lines())?;
        self.output.clear();
        Ok(())
    }

    /// The same in virtual time, but what the node sends is added to `lines`,
    /// to be written with more.
    pub(super) fn gather<S>(
        &mut self,
        node: &mut Node<S>,
        stderr: &mut Stderr,
        lines: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.take_output(node, stderr)?;
        self.disk.keep(node, &self.output, false)?;
        lines.extend_from_slice(self.output.before_writes().lines());
        lines.extend_from_slice(self.output.after_writes().lines());
        self.output.clear();
        Ok(())
    }

    /// Writes lines that were gathered.
    pub(super) fn write_gathered(&mut self, lines: &mut Vec<u8>) -> io::Result<()> {
        write_all(&self.file, lines)?;
        lines.clear();
        lines.shrink_to(2 * OUTPUT_BATCH);
        Ok(())
    }

    /// Writes what the node has to tell, and takes what it wants done.
    fn take_output<S>(&mut self, node: &mut Node<S>, stderr: &mut Stderr) -> io::Result<()> {
        for record in node.take_log() {
            stderr.tell(record);
        }
        stderr.write(Duration::ZERO);
        node.swap_output(&mut self.output);
        if node.lacks_disk() {
            return Err(disk::missing());
        }
        Ok(())
    }
}

/// Writes all there is, also to a file that somebody has set not to wait until
/// there is room.
fn write_all(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(&mut [PollFd::new(file, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
