//! What the tests of the whole workspace share: a node as a real process,
//! spoken to over real pipes.

// The example's source, behind links: `cargo package --workspace` passes only if nothing depends on
// a package that is not published, or reaches out of its own.
#[path = "locks/lib.rs"]
pub mod locks;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

/// A running node.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it writes.
    pub stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `program` with these environment variables beside its own.
    pub fn start(program: impl AsRef<OsStr>, environment: &[(&str, &str)]) -> Self {
        Self::start_with(program, environment, Stdio::piped())
    }

    /// The same, with a standard error of the test's choice.
    pub fn start_with(
        program: impl AsRef<OsStr>,
        environment: &[(&str, &str)],
        stderr: impl Into<Stdio>,
    ) -> Self {
        let mut command = Command::new(program);
        command.envs(environment.iter().copied()).stderr(stderr);
        Self::spawn(&mut command)
    }

    /// Starts what a command says.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes bytes to its input as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin
            .as_mut()
            .expect("the input has not ended")
            .write_all(bytes)
            .unwrap();
    }

    /// Sends it a message from client `c1`.
    pub fn send(&mut self, body: Value) {
        let mut line = json!({"src": "c1", "dest": "n1", "body": body}).to_string();
        line.push('\n');
        self.write(line.as_bytes());
    }

    /// Tells it that it is `n1` of two.
    pub fn init(&mut self) {
        self.send(json!({"type": "init", "msg_id": 0, "node_id": "n1", "node_ids": ["n1", "n2"]}));
    }

    /// The next message that the node writes.
    pub fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The body of the next message of this type; others are passed over.
    pub fn receive_type(&mut self, kind: &str) -> Value {
        loop {
            let mut message = self.receive();
            if message["body"]["type"] == kind {
                return message["body"].take();
            }
        }
    }

    /// Takes the writing end, to write from another thread.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("the input has not ended")
    }

    /// Ends the input, and returns the status, what the node still wrote, and
    /// all of its standard error.
    pub fn finish(mut self) -> (ExitStatus, Vec<Value>, String) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let (status, stderr) = self.wait();
        let messages = rest
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (status, messages, stderr)
    }

    /// Kills it with a signal that it cannot hear, and returns what it had written by then.
    pub fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        // It may have died in the middle of a line.
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn wait(&mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        (self.child.wait().unwrap(), text)
    }

    /// Takes its standard error, to read it before the node ends.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("stderr is piped")
    }

    /// Closes the reading end of the node's output, keeps its input open, and
    /// returns how the node ends once it tries to write.
    pub fn hang_up(self, body: Value) -> (ExitStatus, String) {
        let Self {
            mut child,
            mut stdin,
            stdout,
        } = self;
        drop(stdout);
        let line = json!({"src": "c1", "dest": "n1", "body": body}).to_string() + "\n";
        stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let status = child.wait().unwrap();
        drop(stdin);
        (status, stderr)
    }
}
