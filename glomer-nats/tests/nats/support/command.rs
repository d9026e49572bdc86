//! The `glomer-nats` command.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use wait_timeout::ChildExt;

/// Far more than it takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a command that has ended told.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Asks again and again, until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in {PATIENCE:?} not {what}");
    }
}

/// With an environment that does not tell the command where to connect, or to be colourful.
fn alone(command: &mut Command) -> &mut Command {
    command.env_remove("NATS_URL").env("NO_COLOR", "1")
}

/// The command with these arguments.
pub(crate) fn glomer_nats(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glomer-nats"));
    command.args(args);
    command
}

/// An example of this crate, which cargo builds with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_glomer-nats")).with_file_name("examples");
    let program = folder.join(name);
    assert!(program.exists(), "cargo build -p glomer-nats --examples");
    program
}

impl Output {
    /// Runs the command to its end.
    pub(crate) fn of(args: &[&str]) -> Self {
        let mut command = glomer_nats(args);
        alone(&mut command);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let output = Runtime::new().unwrap().block_on(async {
            let ended = timeout(4 * PATIENCE, command.output()).await;
            ended.unwrap_or_else(|_| panic!("it has not ended: {args:?}"))
        });
        let output = output.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// A command that goes on. It ends with the test.
pub(crate) struct Running {
    child: Child,
    told: Arc<Told>,
}

/// What a command has told so far.
#[derive(Default)]
struct Told {
    text: Mutex<String>,
    more: Condvar,
}

impl Running {
    /// Starts the command.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(glomer_nats(args))
    }

    /// Starts another command.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = alone(&mut command)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Told::default());
        let stderr = child.stderr.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        for lines in [
            Box::new(stderr) as Box<dyn std::io::Read + Send>,
            Box::new(stdout),
        ] {
            let told = told.clone();
            thread::spawn(move || {
                for line in BufReader::new(lines).lines().map_while(Result::ok) {
                    *told.text.lock().unwrap() += &format!("{line}\n");
                    told.more.notify_all();
                }
            });
        }
        Self { child, told }
    }

    /// Waits until it has told this, and gives all that it told.
    pub(crate) fn tells(&self, text: &str) -> String {
        let told = self.told.text.lock().unwrap();
        let (told, over) = self
            .told
            .more
            .wait_timeout_while(told, PATIENCE, |told| !told.contains(text))
            .unwrap();
        assert!(!over.timed_out(), "it has not told `{text}`:\n{told}");
        told.clone()
    }

    pub(crate) fn id(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).unwrap();
    }

    /// Waits until it ends: its exit code, or none if a signal ended it.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let ended = self.child.wait_timeout(4 * PATIENCE).unwrap();
        ended.expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let told = self
                .told
                .text
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            eprintln!("told:\n{told}");
        }
    }
}
