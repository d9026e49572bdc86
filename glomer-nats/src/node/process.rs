//! The process that is a node.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::Program;
use super::lines::Lines;
use crate::Result;

/// How much of a line of standard error is told in one piece, in bytes.
const ERROR_LINE: u64 = 8 * 1024;

/// How long to wait for the rest of what a process wrote that has ended.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A running process.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    /// What it has written.
    pub(super) lines: Lines,
    /// What is being written to it, and how much of that is.
    writing: Vec<u8>,
    written: usize,
}

/// What a process did.
pub(super) enum Progress {
    /// There are lines, maybe.
    Wrote,
    /// It has read some of what it was given.
    Read,
    Ended(ExitStatus),
}

impl Process {
    /// Starts a program as the node `id`.
    pub(super) fn start(program: &Program, id: &str) -> Result<Self> {
        let [name, args @ ..] = &*program.program else {
            return Err("there is no program".into());
        };
        let mut command = Command::new(name);
        if let Some(disk) = &program.disk {
            command.env("GLOMER_DISK", disk);
        }
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What ends the carrier from the terminal is not to end the node before it has
            // answered.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!(
                    "{} cannot be run: {error}; what follows `--` is a program and its arguments",
                    name.display()
                )
            })?;
        let id = id.to_owned();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(tell(stderr, id));
        }
        Ok(Self {
            group: child
                .id()
                .and_then(|id| Some(Pid::from_raw(id.try_into().ok()?))),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            child,
            lines: Lines::default(),
            writing: Vec::new(),
            written: 0,
        })
    }

    /// Whether all that it was given is written.
    pub(super) fn is_idle(&self) -> bool {
        self.written == self.writing.len()
    }

    /// Gives it new lines, when it is [idle](Self::is_idle).
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.written = 0;
        &mut self.writing
    }

    /// Waits until it does something; it is asked for more lines if `reads`.
    ///
    /// Nothing is lost if it is dropped while it waits.
    pub(super) async fn progress(&mut self, reads: bool) -> Result<Progress> {
        let writes = self.written < self.writing.len() && self.stdin.is_some();
        let reads = reads && self.stdout.is_some();
        tokio::select! {
            read = async { self.stdout.as_mut()?.read_buf(self.lines.room()).await.ok() }, if reads => {
                if read.is_none_or(|read| read == 0) {
                    // Whether it has ended is another question.
                    self.stdout = None;
                }
                Ok(Progress::Wrote)
            }
            written = async { self.stdin.as_mut()?.write(&self.writing[self.written..]).await.ok() }, if writes => {
                match written {
                    Some(written) => self.written += written,
                    None => self.stdin = None,
                }
                Ok(Progress::Read)
            }
            status = self.child.wait() => Ok(Progress::Ended(status?)),
        }
    }

    /// Ends its input, as soon as it has been given all.
    pub(super) fn end_input(&mut self) {
        if self.is_idle() {
            self.stdin = None;
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // If it is gone, that is soon noticed.
            let _ = killpg(group, signal);
        }
    }

    /// Kills it, and waits until it is dead.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL);
        self.last_lines().await;
        self.child.wait().await?;
        Ok(())
    }

    /// Reads what a process that has ended left.
    pub(super) async fn last_lines(&mut self) {
        let Some(stdout) = &mut self.stdout else {
            return;
        };
        let rest = async {
            while stdout
                .read_buf(self.lines.room())
                .await
                .is_ok_and(|read| read > 0)
            {}
        };
        // Others may have its output, too, and keep it open.
        let _ = timeout(LAST_LINES, rest).await;
    }
}

impl Drop for Process {
    /// Ends whatever it started, too.
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Tells the standard error of the node, line by line.
async fn tell(stderr: ChildStderr, id: String) {
    let mut stderr = BufReader::new(stderr);
    let mut out = tokio::io::stderr();
    loop {
        let mut line = format!("{id}: ").into_bytes();
        let mut piece = (&mut stderr).take(ERROR_LINE);
        match piece.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        // Where nobody reads, nobody is told.
        let _ = out.write_all(&line).await;
        let _ = out.flush().await;
    }
}
