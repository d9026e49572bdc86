//! The heart of a run: everything but the processes.
//!
//! The engine is sans-IO. It is told what the nodes write, when a process ends, and what
//! time it is; it says what to do with the processes, and when it wants to be woken. Times
//! are measured from the moment the engine was made. The same seed and the same input give
//! the same output.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::service::{self, Service};
use glomer_runtime::sim::{Address, Event, Latency, Network, Outcome, Role};
use serde_json::{Value, json};

use super::clients::{Clients, Failure, Owner};
use super::grudge::Grudge;
use super::journal::{EventKind, Journal};
use super::nemesis::{Effect, Fault, Nemesis, Strike};
use super::pace::Pace;
use super::problem::{Problem, ProblemKind, excerpt};
use super::threads::Threads;
use super::wire;
use crate::checker::Workload;
use crate::edn::Edn;
use crate::history::{History, Op, OpType, Process};
use crate::workload::{
    Client, FinalStep, FinalTurn, Invocation, Object, Reply, Setting, Step, Traffic, Turn, traffic,
};

/// How long a node may take to answer its `init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The loss that the nemesis brings when `--p-loss` says nothing: that of Maelstrom's
/// `flaky!`.
const NEMESIS_LOSS: f64 = 0.5;
/// The duplication that the nemesis brings when `--p-duplicate` says nothing.
const NEMESIS_DUPLICATE: f64 = 0.5;
/// How much longer messages take on a slow network: as in Maelstrom's `slow!`.
const SLOW_FACTOR: f64 = 10.0;
/// The latency of a slow network whose messages otherwise take no time.
const SLOW_LATENCY: Duration = Duration::from_millis(100);
/// How many wrong answers are told of while the run goes on; the history has all of them.
const WARNINGS: usize = 5;
/// How many bytes of messages may be under way.
const IN_FLIGHT_LIMIT: usize = 2 << 30;

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload.
    pub workload: Workload,
    /// Nodes, threads and sizes.
    pub setting: Setting,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Operations a second; 0 for none but the final ones.
    pub rate: f64,
    /// How long the main phase lasts.
    pub time_limit: Duration,
    /// How long messages between nodes take.
    pub latency: Latency,
    /// The faults to inject.
    pub faults: BTreeSet<Fault>,
    /// The mean time between two operations of the nemesis.
    pub nemesis_interval: Duration,
    /// How likely a message gets lost: always, or with [`Fault::Loss`] during that fault.
    pub p_loss: Option<f64>,
    /// How likely a message arrives twice: always, or with [`Fault::Duplicate`] during that
    /// fault.
    pub p_duplicate: Option<f64>,
    /// How long nodes have to recover before the final operations.
    pub recovery_time: Duration,
    /// Tell of every message that is sent.
    pub log_net_send: bool,
    /// Tell of every message that is received.
    pub log_net_recv: bool,
}

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
    },
    /// Kill a node's process.
    Kill(usize),
    /// Stop a node's process.
    Pause(usize),
    /// Let a node's process go on.
    Resume(usize),
    /// Show this line, which the user asked for.
    Log(String),
    /// Show this line, which the user should know of.
    Warn(String),
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
    pub faults: Vec<&'static str>,
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
    Healing(VecDeque<Strike>),
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
    /// The answer that the client waits for.
    reply: &'static Reply,
}

struct ThreadClient {
    address: Address,
    process: u64,
    client: Box<dyn Client>,
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
    services: HashMap<Address, Box<dyn Service>>,
    service_rng: Rng,

    traffic: Box<dyn Traffic>,
    threads: Threads,
    clients: Clients,
    thread_clients: Vec<Option<ThreadClient>>,
    under_way: Vec<Option<UnderWay>>,
    pace: Option<Pace>,
    /// No free thread could take the next operation.
    blocked: bool,
    op_seeds: Rng,
    /// The seed of the next operation, once it was tried.
    op_seed: Option<u64>,
    final_rng: Rng,

    nemesis: Nemesis,
    /// An operation of the nemesis that waits for nodes to start.
    striking: Option<Op>,
    faults: BTreeSet<Fault>,

    history: History,
    journal: Journal,
    /// Bytes of messages under way.
    in_flight: usize,
    /// How many wrong answers were told of.
    warnings: usize,
    status: Status,
    problem: Option<Problem>,
    actions: Vec<Action>,
}

impl Engine {
    /// Makes an engine; [`start`](Engine::start) begins the run.
    pub fn new(plan: Plan) -> Engine {
        let mut seeds = Rng::seeded(plan.seed);
        let mut network = Network::new(plan.latency, seeds.fork());
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
        if !plan.faults.contains(&Fault::Loss) {
            network.set_loss(plan.p_loss.unwrap_or(0.0));
        }
        if !plan.faults.contains(&Fault::Duplicate) {
            network.set_duplicate(plan.p_duplicate.unwrap_or(0.0));
        }
        let service_rng = seeds.fork();
        let op_seeds = seeds.fork();
        let pace_rng = seeds.fork();
        let nemesis_rng = seeds.fork();
        let final_rng = seeds.fork();
        let faults: Vec<Fault> = plan.faults.iter().copied().collect();
        let count = plan.setting.nodes.len();
        let concurrency = plan.setting.concurrency;
        Engine {
            phase: Phase::Starting,
            origin: None,
            network,
            names,
            nodes: vec![NodeState::Down; count],
            unready: BTreeSet::new(),
            services,
            service_rng,
            traffic: traffic(plan.workload, &plan.setting),
            threads: Threads::new(concurrency),
            clients: Clients::default(),
            thread_clients: (0..concurrency).map(|_| None).collect(),
            under_way: (0..concurrency).map(|_| None).collect(),
            pace: (plan.rate > 0.0).then(|| {
                let interval = Duration::from_secs_f64(1.0 / plan.rate);
                Pace::new(interval, Duration::ZERO, pace_rng)
            }),
            blocked: false,
            op_seeds,
            op_seed: None,
            final_rng,
            nemesis: Nemesis::new(&faults, plan.nemesis_interval, count, nemesis_rng),
            striking: None,
            faults: BTreeSet::new(),
            history: History::default(),
            journal: Journal::default(),
            in_flight: 0,
            warnings: 0,
            status: Status::default(),
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

    /// The results of the run.
    pub fn finish(self) -> (History, Journal, Option<Problem>) {
        (self.history, self.journal, self.problem)
    }

    /// Ends the run at once.
    pub fn stop(&mut self, problem: Problem) {
        if !self.is_over() {
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
                    name: name.to_owned(),
                };
                match (src, dest) {
                    (Some(_), Some(_)) if self.in_flight > IN_FLIGHT_LIMIT => ProblemKind::Flood {
                        bytes: self.in_flight,
                    },
                    (Some(src), Some(dest)) => {
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
                let op = self.pace.as_ref().filter(|_| !self.blocked);
                let op = op.map(|pace| origin + pace.next());
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
            faults: self.faults.iter().map(|fault| fault.name()).collect(),
            ..self.status.clone()
        }
    }

    // Nodes.

    fn start_node(&mut self, now: Duration, node: usize) {
        self.nodes[node] = NodeState::Up;
        self.unready.insert(node);
        self.network.bring_up(self.address(node));
        self.actions.push(Action::Spawn(node));
        let client = self.open(Owner::Init(node));
        let init = json!({
            "type": "init",
            "node_id": &*self.names[node],
            "node_ids": self.plan.setting.nodes,
        });
        self.request(now, client, node, init, INIT_TIMEOUT);
    }

    /// Sends a node what the workload begins with, if it does.
    fn set_up_node(&mut self, now: Duration, node: usize) {
        let client = self.open(Owner::Setup(node));
        match self.traffic.setup() {
            Some(call) => self.request(now, client, node, call.body, self.traffic.timeout()),
            None => {
                self.clients.close(&mut self.network, client);
                self.unready.remove(&node);
            }
        }
    }

    fn address(&self, node: usize) -> Address {
        // Nodes were the first on the network, in their order.
        self.network
            .lookup(&self.names[node])
            .expect("every node is on the network")
    }

    // Messages.

    fn open(&mut self, owner: Owner) -> Address {
        let address = self.clients.open(&mut self.network, owner);
        self.names.push(self.network.name(address).into());
        address
    }

    fn request(
        &mut self,
        now: Duration,
        client: Address,
        node: usize,
        mut body: Value,
        timeout: Duration,
    ) {
        self.clients.request(client, &mut body, now + timeout);
        self.send(now, client, self.address(node), body.to_string().into());
    }

    fn send(&mut self, now: Duration, src: Address, dest: Address, body: Arc<str>) {
        let id = self.network.send(now, src, dest, body.clone());
        self.in_flight += body.len();
        self.record(now, EventKind::Send, id, src, dest, &body);
    }

    fn record(
        &mut self,
        now: Duration,
        kind: EventKind,
        id: u64,
        src: Address,
        dest: Address,
        body: &Arc<str>,
    ) {
        let (src, dest) = (&self.names[src.index()], &self.names[dest.index()]);
        let label = match kind {
            EventKind::Send if self.plan.log_net_send => Some("send"),
            EventKind::Recv if self.plan.log_net_recv => Some("recv"),
            _ => None,
        };
        if let Some(label) = label {
            let mut line = Vec::new();
            wire::write(&mut line, id, src, dest, body);
            let line = String::from_utf8_lossy(&line);
            self.actions
                .push(Action::Log(format!("{label} {}", line.trim_end())));
        }
        let time = nanos(now) - nanos(self.origin.unwrap_or_default());
        self.journal.record(time, kind, id, src, dest, body);
    }

    fn arrived(&mut self, now: Duration, event: Event<Arc<str>>) {
        let Event {
            id,
            src,
            dest,
            message: body,
            due,
            outcome,
            ..
        } = event;
        let kind = match outcome {
            Outcome::Delivered => EventKind::Recv,
            Outcome::Dropped(_) => EventKind::Drop,
        };
        self.in_flight = self.in_flight.saturating_sub(body.len());
        self.record(now, kind, id, src, dest, &body);
        if kind == EventKind::Drop {
            return;
        }
        match self.network.role(dest) {
            Role::Server => self.actions.push(Action::Deliver {
                node: dest.index(),
                id,
                src: self.names[src.index()].clone(),
                body,
                due,
            }),
            Role::Client => {
                if let Ok(body) = serde_json::from_str::<Object>(&body)
                    && let Some(owner) = self.clients.answered(dest, &body)
                {
                    self.answered(now, dest, owner, body);
                }
            }
            Role::Service => {
                let request = serde_json::from_str::<Value>(&body).unwrap_or_default();
                let name = self.names[src.index()].clone();
                let answer = self.services.get_mut(&dest).and_then(|service| {
                    service.answer(now, &name, &request, &mut self.service_rng)
                });
                if let Some(answer) = answer {
                    self.send(now, dest, src, answer.to_string().into());
                }
            }
        }
    }

    fn answered(&mut self, now: Duration, client: Address, owner: Owner, body: Object) {
        match owner {
            Owner::Init(node) => {
                self.clients.close(&mut self.network, client);
                if body.get("type").and_then(Value::as_str) != Some("init_ok") {
                    let answer = Value::Object(body).to_string();
                    return self.failed(node, ProblemKind::InitFailed { answer });
                }
                match self.phase {
                    // The first time, all nodes wait for each other.
                    Phase::Starting => {
                        self.unready.remove(&node);
                    }
                    _ => self.set_up_node(now, node),
                }
            }
            Owner::Setup(node) => {
                self.clients.close(&mut self.network, client);
                let call = self.traffic.setup();
                let problem = match (is_error(&body), &call) {
                    (true, _) => Some(format!("it answered {}", Value::Object(body))),
                    (false, Some(call)) => match call.reply.check(&body) {
                        Ok(()) => None,
                        Err(problem) => Some(format!(
                            "it answered {}, but {problem}",
                            Value::Object(body)
                        )),
                    },
                    (false, None) => None,
                };
                match problem {
                    None => {
                        self.unready.remove(&node);
                    }
                    Some(problem) => self.setup_failed(node, problem),
                }
            }
            Owner::Thread(thread) => self.went_on(now, thread, body),
        }
    }

    fn expired(&mut self, now: Duration, client: Address, owner: Owner) {
        match owner {
            Owner::Init(node) => self.failed(
                node,
                ProblemKind::NoInit {
                    after: INIT_TIMEOUT,
                },
            ),
            Owner::Setup(node) => {
                self.clients.close(&mut self.network, client);
                let timeout = self.traffic.timeout();
                self.setup_failed(node, format!("there was no answer within {timeout:?}"));
            }
            Owner::Thread(thread) => self.gave_up(now, thread, &Failure::Timeout),
        }
    }

    fn setup_failed(&mut self, node: usize, problem: String) {
        let call = self.traffic.setup();
        let request = call.map(|call| call.body["type"].as_str().unwrap_or_default().to_owned());
        let request = request.unwrap_or_default();
        self.failed(node, ProblemKind::SetupFailed { request, problem });
    }

    // Operations.

    fn invoke(&mut self, now: Duration, thread: usize, op: Invocation) {
        self.threads.begin(thread);
        self.note(now, OpType::Invoke, thread, &op, op.value.clone(), None);
        let process = self.threads.process(thread);
        let reusable = match &self.thread_clients[thread] {
            Some(client) => client.process == process || self.traffic.keeps_clients(),
            None => false,
        };
        if !reusable {
            if let Some(old) = self.thread_clients[thread].take() {
                self.clients.close(&mut self.network, old.address);
            }
            self.thread_clients[thread] = Some(ThreadClient {
                address: self.open(Owner::Thread(thread)),
                process,
                client: self.traffic.client(),
            });
        }
        let client = self.thread_clients[thread].as_mut();
        let step = client.expect("the thread has a client").client.invoke(&op);
        self.step(now, thread, op, step);
    }

    /// A request of the thread's operation was answered.
    fn went_on(&mut self, now: Duration, thread: usize, body: Object) {
        if is_error(&body) {
            return self.gave_up(now, thread, &Failure::of(&body));
        }
        let Some(UnderWay { op, reply }) = self.under_way[thread].take() else {
            return;
        };
        if let Err(problem) = reply.check(&body) {
            let answer = excerpt(Value::Object(body).to_string().as_bytes());
            let node = &self.names[thread % self.nodes.len()];
            if self.warnings < WARNINGS {
                self.warnings += 1;
                let text = format!("{node} answered {} with {answer}, but {problem}", op.f);
                self.actions.push(Action::Warn(text));
            }
            self.under_way[thread] = Some(UnderWay { op, reply });
            let text = format!("{problem}, and the answer is {answer}");
            return self.gave_up(now, thread, &Failure::Malformed(text));
        }
        let client = self.thread_clients[thread].as_mut();
        let step = client
            .expect("the thread has a client")
            .client
            .reply(&op, body);
        self.step(now, thread, op, step);
    }

    fn step(&mut self, now: Duration, thread: usize, op: Invocation, step: Step) {
        match step {
            Step::Call(call) => {
                let client = self.thread_clients[thread].as_ref();
                let address = client.expect("the thread has a client").address;
                self.under_way[thread] = Some(UnderWay {
                    op,
                    reply: call.reply,
                });
                let node = thread % self.nodes.len();
                self.request(now, address, node, call.body, self.traffic.timeout());
            }
            Step::Done(value) => self.complete(now, OpType::Ok, thread, &op, value, None),
            Step::Crash => {
                self.complete(now, OpType::Info, thread, &op, op.value.clone(), None);
            }
        }
    }

    fn gave_up(&mut self, now: Duration, thread: usize, failure: &Failure) {
        if let Some(UnderWay { op, .. }) = self.under_way[thread].take() {
            let (kind, error) = failure.outcome(op.f, self.traffic.errors());
            self.complete(now, kind, thread, &op, op.value.clone(), Some(error));
        }
    }

    fn complete(
        &mut self,
        now: Duration,
        kind: OpType,
        thread: usize,
        op: &Invocation,
        value: Edn,
        error: Option<Edn>,
    ) {
        self.note(now, kind, thread, op, value, error);
        if let Some(op) = self.history.0.last() {
            self.traffic.completed(op);
        }
        match kind {
            OpType::Ok => self.status.ok += 1,
            OpType::Fail => self.status.fail += 1,
            OpType::Info => self.status.info += 1,
            OpType::Invoke => {}
        }
        self.threads.end(thread, kind == OpType::Info);
        self.blocked = false;
    }

    fn note(
        &mut self,
        now: Duration,
        kind: OpType,
        thread: usize,
        op: &Invocation,
        value: Edn,
        error: Option<Edn>,
    ) {
        self.push(
            now,
            Op {
                error,
                is_final: op.is_final,
                extra: op.extra.clone(),
                ..Op::new(
                    kind,
                    Process::Client(self.threads.process(thread)),
                    op.f,
                    value,
                )
            },
        );
    }

    fn push(&mut self, now: Duration, op: Op) {
        self.history.0.push(Op {
            index: self.history.0.len(),
            time: nanos(now.saturating_sub(self.origin.unwrap_or_default())),
            ..op
        });
    }

    // Faults.

    fn strike(&mut self, now: Duration, strike: Strike) {
        let op = Op::new(OpType::Info, Process::Nemesis, strike.f, strike.value);
        self.push(now, op.clone());
        let value = self.inflict(now, strike.effect);
        let completion = Op { value, ..op };
        match self.unready.is_empty() {
            true => self.push(now, completion),
            false => self.striking = Some(completion),
        }
    }

    /// Does what the nemesis wants; gives what the history says was done.
    fn inflict(&mut self, now: Duration, effect: Effect) -> Edn {
        match effect {
            Effect::Partition(grudge) => {
                self.faults.insert(Fault::Partition);
                for (node, others) in &grudge {
                    for other in others {
                        let (src, dest) = (self.address(*other), self.address(*node));
                        self.network.block(src, dest);
                    }
                }
                Edn::vector([Edn::kw("isolated"), self.grudge(&grudge)])
            }
            Effect::Heal => {
                self.faults.remove(&Fault::Partition);
                self.network.heal();
                Edn::kw("network-healed")
            }
            Effect::Kill(nodes) => self.change(&nodes, Fault::Kill, |engine, node| {
                if engine.nodes[node] == NodeState::Down {
                    return "already-dead";
                }
                engine.nodes[node] = NodeState::Down;
                engine.network.take_down(engine.address(node));
                engine.actions.push(Action::Kill(node));
                "killed"
            }),
            Effect::Start => {
                let all: Vec<usize> = (0..self.nodes.len()).collect();
                let value = self.change(&all, Fault::Kill, |engine, node| {
                    if engine.nodes[node] != NodeState::Down {
                        return "already-running";
                    }
                    engine.start_node(now, node);
                    "started"
                });
                self.faults.remove(&Fault::Kill);
                value
            }
            Effect::Pause(nodes) => self.change(&nodes, Fault::Pause, |engine, node| {
                if engine.nodes[node] == NodeState::Down {
                    return "already-dead";
                }
                engine.nodes[node] = NodeState::Paused;
                engine.actions.push(Action::Pause(node));
                "paused"
            }),
            Effect::Resume => {
                let all: Vec<usize> = (0..self.nodes.len()).collect();
                let value = self.change(&all, Fault::Pause, |engine, node| {
                    if engine.nodes[node] != NodeState::Paused {
                        return "not-paused";
                    }
                    engine.nodes[node] = NodeState::Up;
                    engine.actions.push(Action::Resume(node));
                    "resumed"
                });
                self.faults.remove(&Fault::Pause);
                value
            }
            Effect::Loss(on) => {
                let p = self.plan.p_loss.unwrap_or(NEMESIS_LOSS);
                self.network.set_loss(if on { p } else { 0.0 });
                self.switch(Fault::Loss, on, p.into())
            }
            Effect::Duplicate(on) => {
                let p = self.plan.p_duplicate.unwrap_or(NEMESIS_DUPLICATE);
                self.network.set_duplicate(if on { p } else { 0.0 });
                self.switch(Fault::Duplicate, on, p.into())
            }
            Effect::Slow(on) => {
                let instant = self.plan.latency.mean().is_zero();
                match (on, instant) {
                    (true, true) => self.network.set_latency(Latency::constant(SLOW_LATENCY)),
                    (true, false) => self.network.slow(SLOW_FACTOR),
                    (false, true) => self.network.set_latency(self.plan.latency),
                    (false, false) => self.network.fast(),
                }
                self.switch(Fault::Slow, on, SLOW_FACTOR.into())
            }
        }
    }

    fn switch(&mut self, fault: Fault, on: bool, how_much: Edn) -> Edn {
        match on {
            true => {
                self.faults.insert(fault);
                how_much
            }
            false => {
                self.faults.remove(&fault);
                Edn::kw("network-healed")
            }
        }
    }

    fn change(
        &mut self,
        nodes: &[usize],
        fault: Fault,
        change: impl Fn(&mut Engine, usize) -> &'static str,
    ) -> Edn {
        if !nodes.is_empty() {
            self.faults.insert(fault);
        }
        let changed = nodes.iter().map(|node| {
            let done = change(self, *node);
            (Edn::from(&*self.names[*node]), Edn::kw(done))
        });
        Edn::Map(changed.collect())
    }

    fn grudge(&self, grudge: &Grudge) -> Edn {
        let name = |node: &usize| Edn::from(&*self.names[*node]);
        let entries = grudge.iter().map(|(node, others)| {
            let others = others.iter().map(name).collect();
            (name(node), Edn::Set(others))
        });
        Edn::Map(entries.collect())
    }

    // Phases.

    /// Goes on with the phase, or to the next one. Whether anything happened.
    fn advance(&mut self, now: Duration) -> bool {
        if self.unready.is_empty()
            && let Some(op) = self.striking.take()
        {
            self.push(now, op);
            return true;
        }
        let next = match &mut self.phase {
            Phase::Starting if self.unready.is_empty() => {
                self.unready = (0..self.nodes.len()).collect();
                self.phase = Phase::SettingUp;
                for node in 0..self.nodes.len() {
                    self.set_up_node(now, node);
                }
                return true;
            }
            Phase::SettingUp if self.unready.is_empty() => {
                self.origin = Some(now);
                self.journal.rebase(nanos(now));
                Phase::Main
            }
            Phase::Main => match self.main(now) {
                Some(went_on) => return went_on,
                None => Phase::Draining,
            },
            Phase::Draining if self.threads.all_free() && self.striking.is_none() => {
                match self.traffic.has_final_phase() {
                    true => Phase::Healing(self.nemesis.heal().into()),
                    false => Phase::Over,
                }
            }
            Phase::Healing(strikes) if self.striking.is_none() => match strikes.pop_front() {
                Some(strike) => {
                    self.strike(now, strike);
                    return true;
                }
                None => Phase::Recovering(now + self.plan.recovery_time),
            },
            Phase::Recovering(until) if *until <= now => Phase::Final(FinalPhase {
                start: now,
                threads: vec![(0, Some(now)); self.threads.count()],
            }),
            Phase::Final(_) => return self.final_ops(now),
            _ => return false,
        };
        self.phase = next;
        true
    }

    /// Begins the operations that are due, of the clients and the nemesis. Whether anything
    /// happened; `None` when the time is up.
    fn main(&mut self, now: Duration) -> Option<bool> {
        let origin = self.origin?;
        let passed = now - origin;
        let mut went_on = false;
        while self.striking.is_none()
            && let Some(at) = self.nemesis.next()
            && at <= passed
            && at < self.plan.time_limit
        {
            let strike = self.nemesis.strike(at);
            self.strike(now, strike);
            went_on = true;
        }
        while !self.blocked
            && let Some(pace) = &self.pace
            && pace.next() <= passed
            && pace.next() < self.plan.time_limit
        {
            // The operation takes place when it was due, unless it had to wait for a thread.
            let at = match self.op_seed {
                None => pace.next(),
                Some(_) => passed,
            };
            if at >= self.plan.time_limit {
                break;
            }
            let seed = *self.op_seed.get_or_insert_with(|| self.op_seeds.next_u64());
            let turn = Turn {
                threads: &self.threads,
                at,
                rng: &mut Rng::seeded(seed),
            };
            match self.traffic.next(turn) {
                Some((thread, op)) => {
                    self.op_seed = None;
                    if let Some(pace) = &mut self.pace {
                        pace.took_place(at);
                    }
                    self.invoke(now, thread, op);
                    went_on = true;
                }
                None => self.blocked = true,
            }
        }
        (passed < self.plan.time_limit).then_some(went_on)
    }

    fn final_ops(&mut self, now: Duration) -> bool {
        let mut went_on = false;
        for thread in 0..self.threads.count() {
            let Phase::Final(phase) = &mut self.phase else {
                return went_on;
            };
            let start = phase.start;
            let (done, next) = &mut phase.threads[thread];
            if !self.threads.is_free(thread) || next.is_none_or(|next| next > now) {
                continue;
            }
            went_on = true;
            let turn = FinalTurn {
                thread,
                done: *done,
                elapsed: now - start,
                rng: &mut self.final_rng,
            };
            match self.traffic.final_step(turn) {
                FinalStep::Invoke(op) => {
                    *done += 1;
                    self.invoke(now, thread, op);
                }
                FinalStep::Wait(until) => *next = Some(start + until),
                FinalStep::Done => *next = None,
            }
        }
        if let Phase::Final(phase) = &self.phase
            && phase.threads.iter().all(|(_, next)| next.is_none())
            && self.threads.all_free()
        {
            self.phase = Phase::Over;
        }
        went_on
    }
}

fn is_error(body: &Object) -> bool {
    body.get("type").and_then(Value::as_str) == Some("error")
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
