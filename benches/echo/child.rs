//! One contestant as a child process, measured from outside.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::poll::{PollFd, PollFlags, poll};
#[cfg(target_os = "linux")]
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
#[cfg(target_os = "linux")]
use nix::unistd::Pid;

use crate::load::{self, Account};

/// How long a node may be silent before it counts as stuck, in milliseconds.
const PATIENCE: u16 = 3000;

/// How the process ended once its input had.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    Exit(ExitStatus),
    /// It had to be killed.
    Hangs,
}

pub(crate) struct Throughput {
    /// Right replies per second, from the start of the process to its last
    /// output.
    pub(crate) rate: f64,
    /// Time on a processor per right reply, in microseconds, over all threads.
    pub(crate) cost: f64,
    pub(crate) account: Account,
    pub(crate) ending: Ending,
}

/// Has the node at `program` answer a file of `count` requests.
pub(crate) fn throughput(program: &str, requests: &Path, count: u64) -> io::Result<Throughput> {
    let stdin = Stdio::from(File::open(requests)?);
    // Not to be grown, and so not to be waited for, while time is taken.
    let mut output = Vec::with_capacity(256 * count as usize + 4096);
    let cost_before = cost_of_children()?;
    let started = Instant::now();
    let mut node = Node::start(program, stdin)?;
    let mut last = started;
    let ended = loop {
        match node.read(&mut output)? {
            Some(0) => break true,
            Some(_) => last = Instant::now(),
            None => break false,
        }
    };
    let ending = if ended {
        Ending::Exit(node.child.wait()?)
    } else {
        Ending::Hangs
    };
    drop(node);
    let cost = cost_of_children()? - cost_before;
    let account = Account::of(&output, count);
    Ok(Throughput {
        rate: account.answered as f64 / (last - started).as_secs_f64(),
        cost: cost / account.answered as f64,
        account,
        ending,
    })
}

/// Processor time of all children that have ended, in microseconds.
fn cost_of_children() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// Sends `trips` requests, each when the last one is answered, and returns
/// the round trips in nanoseconds. The first tenth is not counted.
pub(crate) fn ping_pong(program: &str, trips: u64) -> io::Result<Histogram<u64>> {
    #[cfg(target_os = "linux")]
    let _one = OneProcessor::take()?;
    let mut node = Node::start(program, Stdio::piped())?;
    let mut stdin = node.child.stdin.take().expect("piped above");
    let mut reply = Vec::new();
    node.round_trip(&mut stdin, load::INIT, &mut reply)?;
    let mut times = Histogram::new(3).expect("three digits are fine");
    for request in 0..trips {
        let line = load::line(request);
        let time = node.round_trip(&mut stdin, &line, &mut reply)?;
        if !load::is_reply(&reply, request) {
            return Err(io::Error::other(format!(
                "{program} answered `{line}` with `{}`",
                String::from_utf8_lossy(&reply)
            )));
        }
        if request >= trips / 10 {
            times += u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        }
    }
    Ok(times)
}

/// Keeps this thread and the processes that it starts to one processor.
///
/// With two, a round trip is mostly the time that a sleeping processor takes
/// to wake up, and whether two are used is the scheduler's whim.
#[cfg(target_os = "linux")]
struct OneProcessor(CpuSet);

#[cfg(target_os = "linux")]
impl OneProcessor {
    fn take() -> io::Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu) == Ok(true));
        let mut one = CpuSet::new();
        one.set(first.unwrap_or_default())?;
        sched_setaffinity(Pid::from_raw(0), &one)?;
        Ok(Self(all))
    }
}

#[cfg(target_os = "linux")]
impl Drop for OneProcessor {
    fn drop(&mut self) {
        // There is nothing to do if it fails, and nothing depends on it.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

struct Node {
    child: Child,
    stdout: ChildStdout,
}

impl Node {
    fn start(program: &str, stdin: Stdio) -> io::Result<Self> {
        let mut child = Command::new(program)
            // What maelstrom-node's logger reads; it tells every message otherwise.
            .env("RUST_LOG", "warn")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().expect("piped above");
        Ok(Self { child, stdout })
    }

    /// Appends what there is to read and returns its length, 0 at the end of
    /// output; `None` if nothing comes.
    fn read(&mut self, output: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let mut fds = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PATIENCE)? == 0 {
            return Ok(None);
        }
        let mut chunk = [0; 64 * 1024];
        let length = self.stdout.read(&mut chunk)?;
        output.extend_from_slice(&chunk[..length]);
        Ok(Some(length))
    }

    fn round_trip(
        &mut self,
        stdin: &mut ChildStdin,
        line: &str,
        reply: &mut Vec<u8>,
    ) -> io::Result<Duration> {
        let line = format!("{line}\n");
        reply.clear();
        let started = Instant::now();
        stdin.write_all(line.as_bytes())?;
        while reply.last() != Some(&b'\n') {
            if self.read(reply)?.unwrap_or_default() == 0 {
                return Err(io::Error::other(format!("no reply to `{line}`")));
            }
        }
        Ok(started.elapsed())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
