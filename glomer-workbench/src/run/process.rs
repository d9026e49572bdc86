//! A node's process: its pipes and its life.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use memchr::{memchr, memrchr};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::directory;

/// How to start a node.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// What reading from a node came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    /// There is nothing more for now.
    Waiting,
    /// There may be more.
    More,
    /// The node closed its standard output.
    Closed,
    /// The node writes a line without end.
    TooLong,
}

/// How many bytes a line of a node may have.
pub const LINE_LIMIT: usize = 64 << 20;
/// How much is read at once from one node, before it is the next one's turn.
const READ_AT_ONCE: usize = 256 << 10;

/// A process in a group of its own, so that what it starts shares its fate: pauses and the
/// end of the run. What leaves the group, such as by `setsid`, goes its own way.
pub struct NodeProcess {
    child: Child,
    stdin: Sender,
    stdout: Receiver,
    /// What the pipe did not take yet.
    unwritten: Vec<u8>,
    /// The beginning of a line whose end was not read yet.
    unfinished: Vec<u8>,
}

impl fmt::Debug for NodeProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeProcess")
            .field("id", &self.child.id())
            .finish_non_exhaustive()
    }
}

impl NodeProcess {
    /// Starts a node that has this folder for a disk, and writes its standard error to a file.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn spawn(launch: &Launch, disk: &Path, log: File) -> io::Result<NodeProcess> {
        let mut child = Command::new(&launch.program)
            .args(&launch.args)
            .current_dir(directory())
            .env("GLOMER_DISK", disk)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| explained(&launch.program, error))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| io::Error::other("the process has no pipes"))?;
        let (stdin, stdout) = (Sender::from(stdin), Receiver::from(stdout));
        stdin.set_nonblocking(true)?;
        stdout.set_nonblocking(true)?;
        Ok(NodeProcess {
            child,
            stdin,
            stdout,
            unwritten: Vec::new(),
            unfinished: Vec::new(),
        })
    }

    /// Has its standard output, and its standard input, among the events that are waited for.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        let [token_out, token_in] = tokens;
        registry.register(&mut self.stdout, token_out, Interest::READABLE)?;
        registry.register(&mut self.stdin, token_in, Interest::WRITABLE)
    }

    /// Where to put what the node is to read; [`flush`](NodeProcess::flush) sends it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.unwritten
    }

    /// Writes as much as the pipe takes. A node that no longer reads loses the rest; if it
    /// is dying, that will show.
    pub fn flush(&mut self) {
        let mut written = 0;
        while written < self.unwritten.len() {
            match self.stdin.write(&self.unwritten[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => written = self.unwritten.len(),
            }
        }
        self.unwritten.drain(..written);
        if self.unwritten.is_empty() && self.unwritten.capacity() > READ_AT_ONCE {
            self.unwritten = Vec::new();
        }
    }

    /// Whether the pipe did not take all that was to be written.
    pub fn is_unflushed(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Its standard input and output, to wait for.
    pub fn pipes(&self) -> (&Sender, &Receiver) {
        (&self.stdin, &self.stdout)
    }

    /// What the node wrote after its last line break, as far as it was read.
    pub fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// Reads some of what the node wrote, and hands over its lines without line breaks.
    pub fn read_lines(&mut self, buffer: &mut Vec<u8>, mut line: impl FnMut(&[u8])) -> ReadState {
        buffer.resize(READ_AT_ONCE, 0);
        let mut total = 0;
        while total < READ_AT_ONCE {
            let count = match self.stdout.read(buffer) {
                Ok(0) => return ReadState::Closed,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return ReadState::Waiting,
                Err(_) => return ReadState::Closed,
            };
            total += count;
            let mut rest = &buffer[..count];
            if !self.unfinished.is_empty() {
                let Some(end) = memchr(b'\n', rest) else {
                    self.unfinished.extend_from_slice(rest);
                    if self.unfinished.len() > LINE_LIMIT {
                        return ReadState::TooLong;
                    }
                    continue;
                };
                self.unfinished.extend_from_slice(&rest[..end]);
                line(&std::mem::take(&mut self.unfinished));
                rest = &rest[end + 1..];
            }
            if let Some(end) = memrchr(b'\n', rest) {
                rest[..end].split(|byte| *byte == b'\n').for_each(&mut line);
                rest = &rest[end + 1..];
            }
            self.unfinished.extend_from_slice(rest);
            // A pipe that gives less than there is room for is empty.
            if count < buffer.len() {
                return ReadState::Waiting;
            }
        }
        ReadState::More
    }

    /// How the process ended, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends the process, and what it started, a signal.
    pub fn signal(&self, signal: Signal) {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return;
        };
        // It fails when the group is gone, and then there is nothing to do.
        let _ = killpg(Pid::from_raw(pid), signal);
    }

    /// Waits for the end of a process that was killed.
    pub fn wait(&mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for NodeProcess {
    /// No node outlives its run.
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }
}

/// Every node takes two pipes; the usual limit of 1,024 open files is soon reached.
pub fn allow_open_files(nodes: usize) {
    let wanted = 2 * nodes as u64 + 128;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // If this fails, starting the nodes will, and say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

/// Keeps this thread, and the processes that it starts, on one of the cores that it may use: the
/// number's, counted in circles. Processes that take turns wait less for each other there, since
/// waking one up on another core takes longer than most turns.
#[cfg(target_os = "linux")]
pub fn stay_on_one_core(number: usize) {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};

    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else {
        return;
    };
    let cores = 0..CpuSet::count();
    let cores: Vec<usize> = cores
        .filter(|core| allowed.is_set(*core).unwrap_or(false))
        .collect();
    // Another command may do the same beside this one.
    let place = number.wrapping_add(std::process::id() as usize) % cores.len().max(1);
    let mut one = CpuSet::new();
    if cores.get(place).is_some_and(|core| one.set(*core).is_ok()) {
        // It is faster if this succeeds, and works if it does not.
        let _ = sched_setaffinity(this, &one);
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
pub fn stay_on_one_core(_: usize) {}

/// Why a program that exists and is executable does not start, and what to do.
fn explained(program: &Path, error: io::Error) -> io::Error {
    let program = program.display();
    let text = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOEXEC) => format!(
            "the system cannot run {program} ({error}); if it is a script, its first line must \
             name its interpreter, as in #!/usr/bin/env python3"
        ),
        Some(Errno::ENOENT) if !directory().is_dir() => format!(
            "nodes run in {}, which is not there; set TMPDIR to a directory that is",
            directory().display()
        ),
        Some(Errno::ENOENT) => format!(
            "the interpreter of {program} is not there; a script's first line names it, as in \
             #!/usr/bin/env python3"
        ),
        Some(Errno::EMFILE | Errno::ENFILE) => {
            format!("{program}: {error}; ulimit -n tells how many there may be, and raises it")
        }
        _ => format!("{program}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// An exit status in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {signal}"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "no exit code".to_owned(),
    }
}
