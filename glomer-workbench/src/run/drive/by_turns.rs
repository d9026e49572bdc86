//! Processes in virtual time, by the clock protocol.
//!
//! The protocol is a page of the runtime's documentation, `glomer_runtime::guide::clock`.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use glomer_runtime::sim::{Clock, Health, Latency, node_seed};
use memchr::memmem::Finder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::disks::Disks;
use super::logs::Logs;
use super::turns::{Delivery, Turns};
use super::virtual_time::{Nodes, drive};
use crate::run::engine::Engine;
use crate::run::nemesis::Needs;
use crate::run::plan::Plan;
use crate::run::problem::{Instead, Problem, ProblemKind, excerpt};
use crate::run::process::{self, Launch, NodeProcess, ReadState, describe};
use crate::run::progress::Progress;
use crate::run::stderr::Follower;
use crate::run::{Run, Timing, wire};

/// How long a turn may take, in real time.
const TURN_LIMIT: Duration = Duration::from_secs(10);
/// How long a process may live on after it closed its output.
const CLOSED_LIMIT: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile, and how often an interruption is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How many rounds may pass before the real time is looked at, to show how the run goes.
const ROUNDS_UNSEEN: u32 = 64;
/// Whom turns come from.
const CLOCK: &str = "clock";

/// Who watches a run.
pub struct Watch<'a> {
    /// Whether the user has had enough.
    pub interrupt: &'a AtomicBool,
    /// Where it is shown how the run goes, if anywhere.
    pub progress: Option<&'a mut Progress>,
    /// Whether that shows what nodes write to standard error, too.
    pub log_stderr: bool,
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("interrupt", &self.interrupt)
            .field("log_stderr", &self.log_stderr)
            .finish_non_exhaustive()
    }
}

/// Runs nodes as planned, in virtual time. Their standard error goes to files named after them
/// in `logs`. Each delivery to a node takes up to `turn_latency`.
///
/// # Errors
/// If the plan does not [fit](super::fits) processes in virtual time, or the logs cannot be made
/// or read. Whatever goes wrong with a node is a
/// [`Problem`] of the run.
pub fn run(
    plan: Plan,
    turn_latency: Duration,
    launch: &Launch,
    logs: &Path,
    watch: Watch<'_>,
) -> io::Result<Run> {
    super::fits(&plan, Needs::VirtualTime)?;
    let names = &plan.setting.nodes;
    process::allow_open_files(names.len());
    let disks = Disks::new(logs, names)?;
    let logs = Logs::new(logs, names)?;
    // The engine draws from the seed itself.
    let seed = !plan.seed;
    let mut nodes = ByTurns {
        seed,
        launch,
        follower: watch.log_stderr.then(|| logs.follow()),
        logs,
        disks,
        members: names.iter().map(|name| Member::new(name)).collect(),
        buffer: Vec::new(),
        for_clock: Finder::new(CLOCK),
        watch,
        rounds: 0,
        shown: None,
        stray: None,
    };
    let mut engine = Engine::new(plan);
    let turns = drive(&mut engine, &mut Turns::new(seed, turn_latency), &mut nodes);
    nodes.end(&mut engine);
    let errors = nodes.logs.errors()?;
    let timing = Timing::Virtual {
        turn_latency,
        turns,
        unrepeatable: nodes.stray,
    };
    let mut run = Run::of(engine, errors, timing);
    if let Some(problem) = &mut run.problem {
        nodes.logs.explain(problem);
    }
    Ok(run)
}

/// A node, whether it runs or not.
struct Member {
    name: String,
    process: Option<NodeProcess>,
    /// How often it was started.
    incarnation: u64,
    clock: Clock,
    is_paused: bool,
    /// Lines for its next turn, and how many they are.
    inbox: Vec<u8>,
    messages: u64,
    /// The number of its last turn; 0 when it was not greeted yet.
    turn: u64,
    /// Whether that turn is not over yet.
    is_in_turn: bool,
    /// When it wants its next turn, by its own clock.
    next: Option<Duration>,
    /// Whether it has sent anything but the ends of its turns.
    has_spoken: bool,
}

impl Member {
    fn new(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            process: None,
            incarnation: 0,
            clock: Clock::default(),
            is_paused: false,
            inbox: Vec::new(),
            messages: 0,
            turn: 0,
            is_in_turn: false,
            next: None,
            has_spoken: false,
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        let wants_it = self.next.is_some_and(|next| next <= self.clock.at(now));
        self.process.is_some()
            && !self.is_paused
            && (self.turn == 0 || self.messages > 0 || wants_it)
    }

    fn deadline(&self) -> Option<Duration> {
        if self.process.is_none() || self.is_paused {
            return None;
        }
        if self.messages > 0 {
            // They came before it was greeted.
            return Some(Duration::ZERO);
        }
        self.next.map(|next| self.clock.when(next))
    }

    /// Writes a turn and what belongs to it, as far as the pipe takes it.
    fn begin_turn(&mut self, now: Duration, seed: u64) {
        let greeting = self.turn == 0;
        self.turn += 1;
        self.is_in_turn = true;
        let Some(process) = &mut self.process else {
            return;
        };
        let now = self.clock.at(now).as_nanos();
        let (turn, messages) = (self.turn, if greeting { 0 } else { self.messages });
        let mut body =
            format!(r#"{{"type":"clock","msg_id":{turn},"now":{now},"messages":{messages}"#);
        if greeting {
            body += &format!(r#","seed":{seed}"#);
        }
        body.push('}');
        let output = process.output();
        wire::write(output, 0, CLOCK, &self.name, &body);
        if !greeting {
            output.append(&mut self.inbox);
            self.messages = 0;
        }
        process.flush();
    }
}

/// How a node says that its turn is over.
#[derive(Deserialize)]
struct Done {
    #[serde(rename = "type")]
    kind: String,
    in_reply_to: u64,
    next: Option<u64>,
}

/// What a line means in a turn.
enum Said {
    Message,
    Done(Option<Duration>),
    /// It is for the clock, and not what the clock waits for.
    NotDone,
}

fn read(line: &[u8], turn: u64, for_clock: &Finder<'_>) -> Said {
    // Most lines are for others.
    if for_clock.find(line).is_none() {
        return Said::Message;
    }
    let Ok(message) = wire::parse(line) else {
        return Said::Message;
    };
    if message.dest != CLOCK {
        return Said::Message;
    }
    match serde_json::from_str::<Done>(message.body) {
        Ok(done) if done.kind == "clock_ok" && done.in_reply_to == turn => {
            Said::Done(done.next.map(Duration::from_nanos))
        }
        _ => Said::NotDone,
    }
}

struct ByTurns<'a> {
    seed: u64,
    launch: &'a Launch,
    logs: Logs,
    disks: Disks,
    follower: Option<Follower>,
    members: Vec<Member>,
    buffer: Vec<u8>,
    for_clock: Finder<'static>,
    watch: Watch<'a>,
    /// Rounds since the real time was looked at.
    rounds: u32,
    shown: Option<Instant>,
    /// What a node wrote outside of its turns, the first time that it happened.
    stray: Option<String>,
}

impl Nodes for ByTurns<'_> {
    fn start(&mut self, _: Duration, node: usize) -> Result<(), ProblemKind> {
        let spawned = self.logs.open(node).and_then(|log| {
            let disk = self.disks.of(node)?;
            NodeProcess::spawn(self.launch, disk, log)
        });
        let process = spawned.map_err(|error| {
            let error = error.to_string();
            ProblemKind::NotStarted { error }
        })?;
        let member = &mut self.members[node];
        member.process = Some(process);
        member.incarnation += 1;
        member.turn = 0;
        member.is_in_turn = false;
        member.next = None;
        member.has_spoken = false;
        Ok(())
    }

    fn kill(&mut self, node: usize) {
        let member = &mut self.members[node];
        member.process = None;
        member.is_paused = false;
        member.inbox.clear();
        member.messages = 0;
    }

    fn wipe(&mut self, node: usize) -> Result<(), ProblemKind> {
        let wiped = self.disks.wipe(node);
        wiped.map_err(|error| ProblemKind::NotStarted {
            error: error.to_string(),
        })
    }

    fn pause(&mut self, node: usize) {
        self.members[node].is_paused = true;
    }

    fn resume(&mut self, _: Duration, node: usize) {
        self.members[node].is_paused = false;
    }

    fn skew(&mut self, now: Duration, node: usize, rate: f64) {
        self.members[node].clock.set_rate(now, rate);
    }

    fn leap(&mut self, now: Duration, node: usize, ahead: Duration) {
        self.members[node].clock.leap(now, ahead);
    }

    // Refused before the run, by `fits`.
    fn set_disk_health(&mut self, _: usize, _: Health) {}

    fn set_disk_latency(&mut self, _: usize, _: Latency) {}

    fn stopped(&mut self) -> Vec<usize> {
        Vec::new()
    }

    fn deliver(&mut self, _: Duration, dest: &str, delivery: &Delivery) {
        let member = &mut self.members[delivery.node];
        if member.process.is_some() {
            delivery.write(&mut member.inbox, dest);
            member.messages += 1;
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.members.iter().filter_map(Member::deadline).min()
    }

    fn round(
        &mut self,
        now: Duration,
        sent: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<Vec<usize>, Box<Problem>> {
        // All have their turns at once: what one sends, no other gets in the same round.
        let nodes = 0..self.members.len();
        let due: Vec<usize> = nodes
            .filter(|node| self.members[*node].is_due(now))
            .collect();
        for node in &due {
            self.take_strays(*node, sent);
            let member = &mut self.members[*node];
            let seed = node_seed(self.seed, &member.name, member.incarnation - 1);
            member.begin_turn(now, seed);
        }
        for node in &due {
            self.end_turn(*node, sent)?;
        }
        Ok(due)
    }

    fn log(&mut self, line: &str) {
        if let Some(progress) = &self.watch.progress {
            progress.insist(line);
        }
    }

    fn warn(&mut self, text: &str) {
        if let Some(progress) = &self.watch.progress {
            progress.warn(text);
        }
    }

    fn between_rounds(&mut self, now: Duration, engine: &mut Engine) {
        if self.watch.interrupt.load(Ordering::Relaxed) {
            return engine.stop(Problem::interrupted());
        }
        self.rounds += 1;
        if self.rounds < ROUNDS_UNSEEN {
            return;
        }
        self.rounds = 0;
        let seen = self
            .shown
            .is_some_and(|shown| shown.elapsed() < Progress::INTERVAL);
        if !seen && self.watch.progress.is_some() {
            self.shown = Some(Instant::now());
            self.show(now, engine);
        }
    }
}

impl ByTurns<'_> {
    /// Takes what a node wrote outside of its turns.
    fn take_strays(&mut self, node: usize, sent: &mut dyn FnMut(usize, &[u8])) {
        let member = &mut self.members[node];
        let (name, Some(process)) = (&member.name, &mut member.process) else {
            return;
        };
        let stray = &mut self.stray;
        process.read_lines(&mut self.buffer, |line| {
            note_stray(stray, name, line);
            sent(node, line);
        });
    }

    /// Waits until a node has done its turn, and hands over what it sends.
    fn end_turn(
        &mut self,
        node: usize,
        sent: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Box<Problem>> {
        let member = &mut self.members[node];
        let Some(process) = &mut member.process else {
            return Ok(());
        };
        let failed = |kind| Err(Box::new(Problem::of(&member.name, kind)));
        let greeting = member.turn == 1;
        let mut began = None;
        loop {
            let (mut done, mut instead) = (None, None);
            let state = process.read_lines(&mut self.buffer, |line| {
                if done.is_some() {
                    note_stray(&mut self.stray, &member.name, line);
                    return sent(node, line);
                }
                match read(line, member.turn, &self.for_clock) {
                    Said::Done(next) => done = Some(next),
                    Said::Message | Said::NotDone if greeting && wire::parse(line).is_ok() => {
                        instead.get_or_insert_with(|| excerpt(line));
                    }
                    Said::Message | Said::NotDone => {
                        member.has_spoken = true;
                        sent(node, line);
                    }
                }
            });
            if let Some(line) = instead {
                let instead = Instead::Wrote { line };
                return failed(ProblemKind::NoVirtualTime { instead });
            }
            if let Some(next) = done {
                member.is_in_turn = false;
                member.next = next;
                return Ok(());
            }
            match state {
                ReadState::More => continue,
                ReadState::TooLong => {
                    let limit = process::LINE_LIMIT;
                    return failed(ProblemKind::LineTooLong { limit });
                }
                ReadState::Closed => return failed(closed(process, greeting, member.has_spoken)),
                ReadState::Waiting => {}
            }
            let began = *began.get_or_insert_with(Instant::now);
            if began.elapsed() > TURN_LIMIT {
                return failed(if greeting {
                    let after = TURN_LIMIT;
                    let instead = Instead::Nothing { after };
                    ProblemKind::NoVirtualTime { instead }
                } else {
                    ProblemKind::Hangs { after: TURN_LIMIT }
                });
            }
            if self.watch.interrupt.load(Ordering::Relaxed) {
                return Err(Box::new(Problem::interrupted()));
            }
            wait(process);
        }
    }

    fn show(&mut self, now: Duration, engine: &Engine) {
        let Some(progress) = &mut self.watch.progress else {
            return;
        };
        for line in self.follower.iter_mut().flat_map(Follower::new_lines) {
            progress.insist(&line);
        }
        if progress.is_live() {
            progress.show(&engine.status(now));
        }
    }

    /// Ends all nodes.
    fn end(&mut self, engine: &mut Engine) {
        for node in 0..self.members.len() {
            // A run that ended early did not wait for all turns.
            if !self.members[node].is_in_turn {
                self.take_strays(node, &mut |_, _| {});
            }
        }
        // All are told before any is waited for.
        let processes = self.members.iter().filter_map(|it| it.process.as_ref());
        for process in processes {
            process.signal(Signal::SIGKILL);
        }
        for member in &mut self.members {
            member.process = None;
        }
        self.show(Duration::ZERO, engine);
    }
}

fn note_stray(stray: &mut Option<String>, node: &str, line: &[u8]) {
    stray.get_or_insert_with(|| format!("{node} wrote outside of its turn: {}", excerpt(line)));
}

/// Waits until a node has written something, or takes what is to be written; not for ever.
fn wait(process: &mut NodeProcess) {
    process.flush();
    let (stdin, stdout) = process.pipes();
    let mut fds = vec![PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
    if process.is_unflushed() {
        fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
    }
    let timeout = PollTimeout::try_from(LOOK_INTERVAL).unwrap_or(PollTimeout::ZERO);
    // Whatever keeps it from waiting, there is a limit to a turn.
    let _ = poll(&mut fds, timeout);
}

/// Why a node closed its output.
fn closed(process: &mut NodeProcess, greeting: bool, ready: bool) -> ProblemKind {
    let since = Instant::now();
    loop {
        if let Some(status) = process.exit_status() {
            let status = describe(status);
            return if greeting {
                let instead = Instead::Ended { status };
                ProblemKind::NoVirtualTime { instead }
            } else {
                ProblemKind::Crashed { status, ready }
            };
        }
        if since.elapsed() > CLOSED_LIMIT {
            return ProblemKind::ClosedOutput;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}
