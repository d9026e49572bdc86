//! The heart of a run: everything but the processes.
//!
//! The engine is sans-IO. It is told what the nodes write, when a process ends, and what
//! time it is; it says what to do with the processes, and when it wants to be woken. Times
//! are measured from the moment the engine was made. The same seed and the same input give
//! the same output.

mod faults;
mod messages;
mod operations;
mod phases;

pub use faults::Links;
pub(crate) use messages::{is_error, json_text};

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::service::{self, Service};
use glomer_runtime::sim::{Address, Health, Latency, Network, Role};

use super::clients::Clients;
use super::journal::Journal;
use super::nemesis::grudge::Grudge;
use super::nemesis::{Duplicate, Fault, Loss, Nemesis, Step};
use super::pace::Pace;
use super::plan::Plan;
use super::problem::{Problem, ProblemKind, excerpt};
use super::schedule::Schedule;
use super::threads::Threads;
use super::wire;
use crate::history::typed::Moment;
use crate::history::{History, Op};
use crate::workload::Notation;
use crate::workload::erased::{Invocation, Traffic};

/// How many bytes of messages may be under way.
const IN_FLIGHT_LIMIT: usize = 2 << 30;

/// What the engine wants done. Nodes go by their numbers.
#[derive(Debug)]
pub enum Action {
    /// Start a node's process.
    Spawn(usize),
    /// Write a message to a node.
    Deliver {
        /// The node.
        node: usize,
        /// The message's number.
        id: u64,
        /// Who sent it.
        src: Arc<str>,
        /// The body.
        body: Arc<str>,
        /// When it is due.
        due: Duration,
        /// Where it comes from, by a name that is the same whatever else is left out of the run:
        /// clients, which are numbered as they come, go by their node and by which of its
        /// clients they are.
        lane: Arc<str>,
    },
    /// Kill a node's process.
    Kill(usize),
    /// Empty the disk of a node that does not run.
    Wipe(usize),
    /// Stop a node's process.
    Pause(usize),
    /// Let a node's process go on.
    Resume(usize),
    /// Let a node's clock go so many times as fast as time, from where it is. Only faults that
    /// need virtual time ask for this.
    Rate(usize, f64),
    /// Let a node's clock leap ahead. Only faults that need virtual time ask for this.
    Leap(usize, Duration),
    /// Let a node's disk be well, or not. Only faults that need nodes in this process ask for this.
    DiskHealth(usize, Health),
    /// Let a node's disk take so long to make durable what was written before. Only faults that
    /// need nodes in this process ask for this.
    DiskLatency(usize, Latency),
    /// Show this line, which the user asked for.
    Log(String),
    /// Show this line, which the user should know of.
    Warn(String),
}

/// What the faults hit, so that nobody trusts a run in which they hit nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Messages that were sent and never handed over.
    pub dropped: u64,
    /// Nodes that were killed.
    pub killed: u64,
    /// Those of them that had not answered all requests of clients.
    pub killed_at_work: u64,
    /// Nodes that were paused.
    pub paused: u64,
    /// Disks that were wiped.
    pub wiped: u64,
    /// Clocks that were set another way.
    pub skewed: u64,
    /// Disks that were made to fail, to lie, or to be slow.
    pub disks: u64,
    /// Nodes that stopped because their disks failed.
    pub stopped: u64,
}

impl std::ops::AddAssign for Hits {
    fn add_assign(&mut self, other: Hits) {
        self.dropped += other.dropped;
        self.killed += other.killed;
        self.killed_at_work += other.killed_at_work;
        self.paused += other.paused;
        self.wiped += other.wiped;
        self.skewed += other.skewed;
        self.disks += other.disks;
        self.stopped += other.stopped;
    }
}

impl std::fmt::Display for Hits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Hits {
            dropped,
            killed,
            killed_at_work,
            paused,
            wiped,
            skewed,
            disks,
            stopped,
        } = self;
        write!(
            f,
            "{dropped} messages dropped, {killed} nodes killed ({killed_at_work} with requests \
             of clients under way), {wiped} disks wiped, {paused} paused, {skewed} clocks skewed"
        )?;
        // Nodes that are processes know nothing of these.
        if *disks > 0 {
            write!(
                f,
                ", {disks} disks failing, lying or slow ({stopped} nodes stopped)"
            )?;
        }
        Ok(())
    }
}

/// Where a run stands, for a progress display.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// What is going on, in a word or two.
    pub phase: &'static str,
    /// How much of the phase is left, if that is known.
    pub left: Option<Duration>,
    /// Completed operations by their outcome.
    pub ok: u64,
    /// Operations that failed.
    pub fail: u64,
    /// Operations of which nobody knows.
    pub info: u64,
    /// Messages sent so far.
    pub messages: u64,
    /// The faults that are on.
    pub faults: Vec<String>,
}

enum Phase {
    /// Nodes start and answer `init`.
    Starting,
    /// Nodes get what the workload begins with.
    SettingUp,
    /// Clients and the nemesis do their work.
    Main,
    /// The time is up; what is under way ends.
    Draining,
    /// The nemesis undoes its work.
    Healing(VecDeque<Step>),
    /// Nodes recover until then.
    Recovering(Duration),
    /// Threads do their final operations.
    Final(FinalPhase),
    /// All is done.
    Over,
}

struct FinalPhase {
    start: Duration,
    /// For each thread, how many operations it has begun, and when it may go on; `None`
    /// when it is done.
    threads: Vec<(usize, Option<Duration>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeState {
    Down,
    Up,
    Paused,
}

/// An operation under way.
struct UnderWay {
    op: Invocation,
    invoked: Moment,
}

struct ThreadClient {
    address: Address,
    process: u64,
}

/// A run, but for its processes.
pub struct Engine {
    plan: Plan,
    phase: Phase,
    /// When the main phase began.
    origin: Option<Duration>,

    network: Network<Arc<str>>,
    names: Vec<Arc<str>>,
    nodes: Vec<NodeState>,
    /// Nodes that have yet to answer `init` or what follows it.
    unready: BTreeSet<usize>,
    /// The type of the last request that each node was set up with.
    set_up_with: Vec<String>,
    services: HashMap<Address, Box<dyn Service>>,
    /// What is random in services, for each service and each of those who ask it.
    service_rngs: HashMap<(Address, Address), Rng>,
    service_seed: u64,
    /// What nodes sent to the client of their `init` that answers nothing, by node.
    not_answers: HashMap<usize, String>,

    traffic: Box<dyn Traffic>,
    threads: Threads,
    clients: Clients,
    thread_clients: Vec<Option<ThreadClient>>,
    under_way: Vec<Option<UnderWay>>,
    pace: Option<Pace>,
    /// No free thread could take the next operation.
    blocked: bool,
    /// What each thread has yet to ask, and when, if it is not drawn.
    scheduled: Option<Vec<VecDeque<(Duration, Notation)>>>,
    /// What was asked and broken so far.
    schedule: Schedule,
    op_seeds: Rng,
    /// The seed of the next operation, once it was tried.
    op_seed: Option<u64>,
    final_rng: Rng,

    nemesis: Nemesis,
    /// An operation of the nemesis that waits for nodes to start.
    striking: Option<Op>,
    /// The names of the faults that are on, in the order in which they began.
    faults: Vec<String>,
    /// The partitions that are on, with the faults they belong to.
    grudges: Vec<(String, Grudge)>,

    history: History,
    journal: Journal,
    /// Bytes of messages under way.
    in_flight: usize,
    warnings: Vec<String>,
    /// How many wrong answers were told of.
    wrong_answers: usize,
    /// Nodes that sent something in another's name.
    forgers: BTreeSet<usize>,
    status: Status,
    hits: Hits,
    problem: Option<Problem>,
    actions: Vec<Action>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine; [`start`](Engine::start) begins the run.
    pub fn new(plan: Plan) -> Engine {
        let seeds = Rng::seeded(plan.seed);
        let mut network = Network::new(plan.latency, seeds.fork());
        network.set_delivery(plan.delivery);
        for node in &plan.setting.nodes {
            network.add(node, Role::Server);
        }
        let services = service::defaults().into_iter();
        let services = services
            .map(|(name, service)| (network.add(name, Role::Service), service))
            .collect();
        let names = network
            .addresses()
            .map(|address| network.name(address).into())
            .collect();
        if plan.faults.named(Loss.name()).is_none() {
            network.set_loss(plan.p_loss.unwrap_or(0.0));
        }
        if plan.faults.named(Duplicate.name()).is_none() {
            network.set_duplicate(plan.p_duplicate.unwrap_or(0.0));
        }
        let service_seed = seeds.next_u64();
        let op_seeds = seeds.fork();
        let pace_rng = seeds.fork();
        let nemesis_rng = seeds.fork();
        let final_rng = seeds.fork();
        let count = plan.setting.nodes.len();
        let concurrency = plan.setting.concurrency;
        Engine {
            phase: Phase::Starting,
            origin: None,
            network,
            names,
            nodes: vec![NodeState::Down; count],
            unready: BTreeSet::new(),
            set_up_with: vec![String::new(); count],
            services,
            service_rngs: HashMap::new(),
            service_seed,
            not_answers: HashMap::new(),
            traffic: plan.workload.traffic(&plan.setting),
            threads: Threads::new(concurrency),
            clients: Clients::default(),
            thread_clients: (0..concurrency).map(|_| None).collect(),
            under_way: (0..concurrency).map(|_| None).collect(),
            pace: plan
                .interval
                .map(|interval| Pace::new(interval, Duration::ZERO, pace_rng)),
            blocked: false,
            scheduled: plan.schedule.as_ref().map(|schedule| schedule.queues()),
            schedule: Schedule::of_plan(&plan),
            op_seeds,
            op_seed: None,
            final_rng,
            nemesis: Nemesis::new(&plan, nemesis_rng),
            striking: None,
            faults: Vec::new(),
            grudges: Vec::new(),
            history: History::default(),
            journal: Journal::default(),
            in_flight: 0,
            warnings: Vec::new(),
            wrong_answers: 0,
            forgers: BTreeSet::new(),
            status: Status::default(),
            hits: Hits::default(),
            problem: None,
            actions: Vec::new(),
            plan,
        }
    }

    /// Begins the run.
    pub fn start(&mut self, now: Duration) {
        for node in 0..self.nodes.len() {
            self.start_node(now, node);
        }
    }

    /// What to do next, in this order. Empty until the next input.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When the main phase began.
    pub fn origin(&self) -> Option<Duration> {
        self.origin
    }

    /// What the run asked and broke so far.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The results of the run.
    pub fn finish(self) -> (History, Journal, Option<Problem>) {
        (self.history, self.journal, self.problem)
    }

    /// What the faults have hit.
    pub fn hits(&self) -> Hits {
        Hits {
            dropped: self.journal.dropped(),
            ..self.hits
        }
    }

    /// What is not right and does not end the run.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether a node that runs has answered its `init` and what follows it.
    pub fn is_ready(&self, node: usize) -> bool {
        !self.unready.contains(&node)
    }

    /// Whether it ended before a final phase that its workload has was over.
    pub fn lacks_final_phase(&self) -> bool {
        self.problem.is_some() && self.traffic.has_final_phase()
    }

    /// Ends the run at once. Only the first problem counts.
    pub fn stop(&mut self, problem: Problem) {
        if self.problem.is_none() {
            self.problem = Some(problem);
            self.phase = Phase::Over;
        }
    }

    /// The name of a node.
    pub fn node_name(&self, node: usize) -> &str {
        &self.names[node]
    }

    /// Takes a line, without its line break, that a node wrote.
    pub fn line(&mut self, now: Duration, node: usize, line: &[u8]) {
        if self.is_over() {
            return;
        }
        let problem = match wire::parse(line) {
            Ok(message) => {
                let found = |name: &str| self.network.lookup(name);
                let (src, dest) = (found(&message.src), found(&message.dest));
                let stranger = |field, name: &str| ProblemKind::Stranger {
                    line: excerpt(line),
                    field,
                    name: excerpt(name.as_bytes()),
                };
                match (src, dest) {
                    (Some(_), Some(_)) if self.in_flight > IN_FLIGHT_LIMIT => ProblemKind::Flood {
                        bytes: self.in_flight,
                    },
                    (Some(src), Some(dest)) => {
                        if src.index() != node {
                            self.forged(node, &message.src);
                        }
                        return self.send(now, src, dest, message.body.into());
                    }
                    (None, _) => stranger("src", &message.src),
                    (_, None) => stranger("dest", &message.dest),
                }
            }
            Err(error) => ProblemKind::Line {
                line: excerpt(line),
                error,
            },
        };
        self.stop(Problem::of(&self.names[node], problem));
    }

    /// Takes note of a message that a node sent in the name of another. As with Maelstrom, it
    /// is delivered; most likely the node sends back what it is sent.
    fn forged(&mut self, node: usize, src: &str) {
        if self.forgers.insert(node) {
            let node = &self.names[node];
            self.warn(format!(
                "{node} wrote a message whose src is {src:?}; it is delivered as if {src} had \
                 sent it, but a message's src should be the name of its own node, {node:?}"
            ));
        }
    }

    fn warn(&mut self, text: String) {
        self.actions.push(Action::Warn(text.clone()));
        self.warnings.push(text);
    }

    /// Takes note that a node's process ended, or never began, without being told to.
    pub fn failed(&mut self, node: usize, kind: ProblemKind) {
        self.stop(Problem::of(&self.names[node], kind));
    }

    /// Takes note that so many bytes wait for a node, and that a message to it was not added
    /// to them. A node that is paused has an excuse.
    pub fn not_reading(&mut self, node: usize, waiting: usize) {
        if self.nodes[node] != NodeState::Paused {
            self.failed(node, ProblemKind::NotReading { waiting });
        }
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Duration) {
        while !self.is_over() {
            while let Some(event) = self.network.poll(now) {
                self.arrived(now, event);
            }
            while let Some((address, owner)) = self.clients.expired(now) {
                self.expired(now, address, owner);
            }
            let went_on = self.advance(now);
            let arrives = self.network.next_due().is_some_and(|due| due <= now);
            if !went_on && !arrives {
                break;
            }
        }
    }

    /// When the engine next has something to do by itself.
    pub fn deadline(&self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        let origin = self.origin.unwrap_or_default();
        let phase = match &self.phase {
            Phase::Main => {
                let end = origin + self.plan.time_limit;
                let op = match &self.scheduled {
                    Some(queues) => self.next_scheduled(queues).map(|(at, _)| at),
                    None => {
                        let pace = self.pace.as_ref().filter(|_| !self.blocked);
                        pace.map(Pace::next)
                    }
                };
                let op = op.map(|at| origin + at);
                let strike = self.nemesis.next().filter(|_| self.striking.is_none());
                let strike = strike.map(|at| origin + at);
                [Some(end), op, strike].into_iter().flatten().min()
            }
            Phase::Recovering(until) => Some(*until),
            Phase::Final(phase) => {
                let threads = phase.threads.iter().enumerate();
                threads
                    .filter(|(thread, _)| self.threads.is_free(*thread))
                    .filter_map(|(_, (_, next))| *next)
                    .min()
            }
            _ => None,
        };
        [self.network.next_due(), self.clients.next_deadline(), phase]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where the run stands.
    pub fn status(&self, now: Duration) -> Status {
        let since = |origin: Duration| now.saturating_sub(origin);
        let (phase, left) = match &self.phase {
            Phase::Starting => ("starting", None),
            Phase::SettingUp => ("setting up", None),
            Phase::Main => {
                let passed = since(self.origin.unwrap_or(now));
                ("running", Some(self.plan.time_limit.saturating_sub(passed)))
            }
            Phase::Draining => ("finishing", None),
            Phase::Healing(_) => ("healing", None),
            Phase::Recovering(until) => ("recovering", Some(until.saturating_sub(now))),
            Phase::Final(_) => ("final operations", None),
            Phase::Over => ("over", None),
        };
        Status {
            phase,
            left,
            messages: self.network.sent(),
            faults: self.faults.clone(),
            ..self.status.clone()
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
