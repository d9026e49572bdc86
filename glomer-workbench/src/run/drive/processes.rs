//! Processes in real time: the event loop between them and the engine.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use nix::sys::signal::Signal;

use super::disks::Disks;
use super::logs::Logs;
use crate::run::alarm::Alarm;
use crate::run::engine::{Action, Engine};
use crate::run::nemesis::Needs;
use crate::run::plan::Plan;
use crate::run::problem::{NotAnAnswer, Problem, ProblemKind};
use crate::run::process::{self, Launch, NodeProcess, ReadState, describe};
use crate::run::progress::Progress;
use crate::run::stderr::Follower;
use crate::run::{Run, Timing, wire};

/// How many bytes may wait for a node that does not read.
const UNREAD_LIMIT: usize = 64 << 20;
/// How often processes are looked after that ended without closing their output.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a process may live on after it closed its output.
const CLOSED_LIMIT: Duration = Duration::from_secs(2);
/// The token of the alarm; those of nodes are counted from zero.
const ALARM: Token = Token(usize::MAX);

/// Runs nodes as planned. Their standard error goes to files named after them in `logs`.
///
/// # Errors
/// If the plan does not [fit](super::fits) processes in real time, or the system does not let the workbench wait
/// for its nodes or read their logs. Whatever goes wrong with a
/// node is a [`Problem`] of the run.
pub fn run(
    plan: Plan,
    launch: &Launch,
    logs: &Path,
    log_stderr: bool,
    interrupt: &Arc<AtomicBool>,
    progress: &mut Progress,
) -> io::Result<Run> {
    super::fits(&plan, Needs::Nothing)?;
    let nodes = &plan.setting.nodes;
    process::allow_open_files(nodes.len());
    let disks = Disks::new(logs, nodes)?;
    let logs = Logs::new(logs, nodes)?;
    let poll = Poll::new()?;
    let mut driver = Driver {
        clock: Instant::now(),
        alarm: Alarm::new(poll.registry(), ALARM)?,
        poll,
        launch,
        processes: nodes.iter().map(|_| None).collect(),
        unflushed: BTreeSet::new(),
        dues: Vec::new(),
        lateness: Histogram::new(3).expect("three digits are a precision"),
        buffer: Vec::new(),
        engine: Engine::new(plan),
        follower: log_stderr.then(|| logs.follow()),
        logs,
        disks,
        progress,
    };
    driver.engine.start(Duration::ZERO);
    driver.drive(interrupt)?;
    driver.finish()
}

struct Driver<'a> {
    clock: Instant,
    alarm: Alarm,
    poll: Poll,
    engine: Engine,
    launch: &'a Launch,
    processes: Vec<Option<NodeProcess>>,
    /// Nodes that have something to be written.
    unflushed: BTreeSet<usize>,
    /// When the messages were due that are about to be written.
    dues: Vec<Duration>,
    lateness: Histogram<u64>,
    buffer: Vec<u8>,
    logs: Logs,
    disks: Disks,
    follower: Option<Follower>,
    progress: &'a mut Progress,
}

impl Driver<'_> {
    fn drive(&mut self, interrupt: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        // Nodes whose output was not read to its end.
        let mut readable: BTreeSet<usize> = BTreeSet::new();
        let mut closed: Vec<(usize, Instant)> = Vec::new();
        let (mut looked, mut shown) = (Instant::now(), None::<Instant>);
        loop {
            self.engine.tick(self.clock.elapsed());
            self.act();
            self.flush();
            if self.engine.is_over() {
                // A node may have died since.
                self.look_after(&mut closed);
                return Ok(());
            }

            let now = Instant::now();
            if shown.is_none_or(|shown| now - shown >= Progress::INTERVAL) {
                shown = Some(now);
                self.show();
            }
            if now - looked >= LOOK_INTERVAL || !closed.is_empty() {
                looked = now;
                self.look_after(&mut closed);
            }
            if interrupt.load(Ordering::Relaxed) {
                self.engine.stop(Problem::interrupted());
                continue;
            }

            let timeout = if readable.is_empty() {
                self.timeout(!closed.is_empty())
            } else {
                Duration::ZERO
            };
            let timeout = self.alarm.set(timeout)?;
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            // The alarm has done its work by being there.
            for event in events.iter().filter(|event| event.token() != ALARM) {
                let Token(number) = event.token();
                match number % 2 {
                    0 => readable.insert(number / 2),
                    _ => self.unflushed.insert(number / 2),
                };
            }
            for node in std::mem::take(&mut readable) {
                match self.read(node) {
                    Some(ReadState::More) => {
                        readable.insert(node);
                    }
                    Some(ReadState::Closed) => closed.push((node, Instant::now())),
                    Some(ReadState::TooLong) => {
                        let limit = process::LINE_LIMIT;
                        self.engine.failed(node, ProblemKind::LineTooLong { limit });
                    }
                    Some(ReadState::Waiting) | None => {}
                }
            }
        }
    }

    fn timeout(&self, soon: bool) -> Duration {
        let most = if soon {
            Duration::from_millis(10)
        } else {
            Progress::INTERVAL
        };
        let due = self.engine.deadline().unwrap_or(Duration::MAX);
        due.saturating_sub(self.clock.elapsed()).min(most)
    }

    fn read(&mut self, node: usize) -> Option<ReadState> {
        let now = self.clock.elapsed();
        let (engine, process) = (&mut self.engine, self.processes[node].as_mut()?);
        Some(process.read_lines(&mut self.buffer, |line| engine.line(now, node, line)))
    }

    /// Does what the engine wants.
    fn act(&mut self) {
        for action in self.engine.actions() {
            match action {
                Action::Spawn(node) => self.spawn(node),
                Action::Deliver {
                    node,
                    id,
                    src,
                    body,
                    due,
                    lane: _,
                } => self.deliver(node, id, &src, &body, due),
                Action::Kill(node) => {
                    if let Some(process) = &self.processes[node] {
                        process.signal(Signal::SIGKILL);
                    }
                    // What it wrote before it died was sent.
                    while self.read(node) == Some(ReadState::More) {}
                    self.processes[node] = None;
                    self.unflushed.remove(&node);
                }
                Action::Wipe(node) => {
                    if let Err(error) = self.disks.wipe(node) {
                        let error = error.to_string();
                        self.engine.failed(node, ProblemKind::NotStarted { error });
                    }
                }
                Action::Pause(node) => self.signal(node, Signal::SIGSTOP),
                Action::Resume(node) => self.signal(node, Signal::SIGCONT),
                // Refused before the run, by `fits`.
                Action::Rate(..)
                | Action::Leap(..)
                | Action::DiskHealth(..)
                | Action::DiskLatency(..) => {}
                Action::Log(line) => self.progress.insist(&line),
                Action::Warn(text) => self.progress.insist(&text),
            }
        }
    }

    fn spawn(&mut self, node: usize) {
        let tokens = [Token(2 * node), Token(2 * node + 1)];
        let process = self.logs.open(node).and_then(|log| {
            let disk = self.disks.of(node)?;
            let mut process = NodeProcess::spawn(self.launch, disk, log)?;
            process.register(self.poll.registry(), tokens)?;
            Ok(process)
        });
        match process {
            Ok(process) => self.processes[node] = Some(process),
            Err(error) => {
                let error = error.to_string();
                self.engine.failed(node, ProblemKind::NotStarted { error });
            }
        }
    }

    fn signal(&self, node: usize, signal: Signal) {
        if let Some(process) = &self.processes[node] {
            process.signal(signal);
        }
    }

    fn deliver(&mut self, node: usize, id: u64, src: &str, body: &str, due: Duration) {
        let Some(process) = &mut self.processes[node] else {
            return;
        };
        let output = process.output();
        if output.len() > UNREAD_LIMIT {
            let waiting = output.len();
            return self.engine.not_reading(node, waiting);
        }
        wire::write(output, id, src, self.engine.node_name(node), body);
        self.unflushed.insert(node);
        self.dues.push(due);
    }

    /// Writes what there is to write to the nodes.
    fn flush(&mut self) {
        for node in std::mem::take(&mut self.unflushed) {
            if let Some(process) = &mut self.processes[node] {
                process.flush();
            }
        }
        let now = self.clock.elapsed();
        for due in self.dues.drain(..) {
            let late = now.saturating_sub(due).as_micros();
            self.lateness
                .saturating_record(u64::try_from(late).unwrap_or(u64::MAX));
        }
    }

    fn show(&mut self) {
        for line in self.follower.iter_mut().flat_map(Follower::new_lines) {
            self.progress.insist(&line);
        }
        if self.progress.is_live() {
            let status = self.engine.status(self.clock.elapsed());
            self.progress.show(&status);
        }
    }

    /// Looks for processes that ended by themselves.
    fn look_after(&mut self, closed: &mut Vec<(usize, Instant)>) {
        for node in 0..self.processes.len() {
            let status = self.processes[node]
                .as_mut()
                .and_then(NodeProcess::exit_status);
            if let Some(status) = status {
                // Its last words may be the reason.
                while self.read(node) == Some(ReadState::More) {}
                let crashed = ProblemKind::Crashed {
                    status: describe(status),
                    ready: self.engine.is_ready(node),
                };
                self.engine.failed(node, crashed);
            }
        }
        closed.retain(|(node, since)| {
            let alive = self.processes[*node].is_some();
            if alive && since.elapsed() > CLOSED_LIMIT {
                self.engine.failed(*node, ProblemKind::ClosedOutput);
            }
            alive
        });
    }

    fn finish(mut self) -> io::Result<Run> {
        let unfinished: Vec<Option<NotAnAnswer>> = self
            .processes
            .iter()
            .map(|process| NotAnAnswer::unfinished(process.as_ref()?.unfinished()))
            .collect();
        // All are told before any is waited for.
        for process in self.processes.iter().flatten() {
            process.signal(Signal::SIGKILL);
        }
        self.processes.clear();
        self.show();
        let names: Vec<String> = (0..unfinished.len())
            .map(|node| self.engine.node_name(node).to_owned())
            .collect();
        let timing = Timing::Real {
            lateness: self.lateness,
        };
        let mut run = Run::of(self.engine, self.logs.errors()?, timing);
        if let Some(problem) = &mut run.problem {
            let mut unfinished = names.iter().zip(unfinished);
            if let ProblemKind::NoInit { instead, .. } = &mut problem.kind
                && let Some((_, line)) =
                    unfinished.find(|(name, _)| Some(*name) == problem.node.as_ref())
            {
                *instead = instead.take().or(line);
            }
            self.logs.explain(problem);
        }
        Ok(run)
    }
}
