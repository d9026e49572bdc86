//! A whole cluster in one thread, in virtual time.

use super::check;
use super::clock::Clock;
use super::history::{Operation, Pending, reply_to};
use super::journal::{Event, Journal, Recorder};
use super::latency::Latency;
use super::network::{self, Address, Delivery, Fate, Network, Role};
use super::packet::Packet;
use super::service::{self, Service};
use super::traffic::{Counters, Traffic};
use crate::body::read::{Envelope, decode_error};
use crate::body::write::{self, Header};
use crate::log::{Level, Record};
use crate::{Action, Error, Init, Message, Node, Outgoing, Output, Rng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// How long a client waits for an answer unless told otherwise; as long as Maelstrom's do.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the nodes of a new cluster may take to answer `init`; as in Maelstrom.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many events may take place at one moment, beside those that each request may provoke,
/// before it is clear that there is no end to them.
const EVENTS_AT_ONCE: u64 = 250_000;

/// How many events a failing test shows.
const TRACE: usize = 60;

/// How many records of the nodes' logs are kept.
const KEPT_LOG: usize = 10_000;

/// A cluster that is not running yet: [`Cluster::new`] makes it, [`start`](Builder::start)
/// starts it.
#[must_use = "a cluster does nothing before `start`"]
pub struct Builder<S: 'static> {
    nodes: usize,
    make: Rc<dyn Fn(&Init) -> S>,
    seed: u64,
    latency: Latency,
    delivery: Delivery,
    timeout: Duration,
    log_level: Level,
    record_all: bool,
    services: BTreeMap<String, Box<dyn Service>>,
}

impl<S> Builder<S> {
    /// Everything random in the cluster follows from the seed: latencies, losses, the
    /// services' choices and the nodes' own random numbers. 0 unless told.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How long messages take between nodes, and between nodes and services. No time
    /// unless told; those of clients never take time.
    pub fn latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// How messages wait for the end of their latency: each for its own, unless told.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// How long clients wait for an answer: 5 seconds unless told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How much the nodes tell in [`Cluster::log`]: warnings and worse unless told.
    pub fn log_level(mut self, level: Level) -> Self {
        self.log_level = level;
        self
    }

    /// Keeps all events in the [`Journal`], instead of the last ones.
    pub fn record_all(mut self) -> Self {
        self.record_all = true;
        self
    }

    /// Attaches a service of your own beside Maelstrom's four, or instead of the one with
    /// its name.
    pub fn service(mut self, name: &str, service: impl Service + 'static) -> Self {
        self.services.insert(name.to_owned(), Box::new(service));
        self
    }

    /// Starts the nodes, `n0` and on, and waits until each has answered `init`.
    ///
    /// # Panics
    /// When two handlers of the node are for the same type, and when a node answers `init`
    /// with an error or not within 10 seconds.
    #[track_caller]
    pub fn start(self) -> Cluster<S> {
        let rng = Rng::seeded(self.seed);
        let mut network = Network::new(self.latency, rng.fork());
        network.set_delivery(self.delivery);
        let node_seeds = rng.next_u64();
        let names: Rc<[String]> = (0..self.nodes).map(|i| format!("n{i}")).collect();
        let members = names.iter().map(|name| Member {
            address: network.add(name, Role::Server),
            node: None,
            incarnation: 0,
            paused: false,
            clock: Clock::default(),
            inbox: VecDeque::new(),
            alarm: None,
            waiting: false,
        });
        let members = members.collect();
        let services = self.services.into_iter().map(|(name, service)| Attached {
            address: network.add(&name, Role::Service),
            service,
            rng: rng.fork(),
        });
        let services = services.collect();
        let starter = network.add("c0", Role::Client);
        let mut cluster = Cluster {
            seed: self.seed,
            node_seeds,
            make: self.make,
            node_ids: json!(&*names).to_string(),
            names,
            log_level: self.log_level,
            timeout: self.timeout,
            now: Duration::ZERO,
            allowance: EVENTS_AT_ONCE,
            last_sent: Duration::ZERO,
            network,
            members,
            services,
            starter,
            starting: BTreeMap::new(),
            inits: 0,
            clients: Vec::new(),
            idle: BTreeSet::new(),
            operations: Vec::new(),
            timeouts: VecDeque::new(),
            alarms: BTreeSet::new(),
            waiting: 0,
            counters: Counters::default(),
            recorder: Recorder::new(self.record_all),
            log: VecDeque::new(),
            output: Output::default(),
        };
        for index in 0..self.nodes {
            cluster.boot(index);
        }
        while !cluster.starting.is_empty() && cluster.step(INIT_TIMEOUT) {}
        if let Some(index) = cluster.starting.values().next() {
            panic!(
                "node n{index} did not answer `init` within {INIT_TIMEOUT:?}; what does its \
                 `init` handler wait for?"
            );
        }
        cluster
    }
}

/// A cluster of nodes with the state `S` in virtual time, with its network, its services and
/// its clients; see the [module](super) for an introduction.
///
/// Time passes only in [`call`](Cluster::call), [`wait`](Cluster::wait),
/// [`run_for`](Cluster::run_for) and [`run_until_quiet`](Cluster::run_until_quiet). The nodes
/// themselves take no time.
///
/// Methods that take names panic when there is nobody of that name. When a test panics, its
/// cluster prints the seed and the last events.
pub struct Cluster<S: 'static> {
    seed: u64,
    node_seeds: u64,
    make: Rc<dyn Fn(&Init) -> S>,
    /// The names of all nodes, for the nodes to share.
    names: Rc<[String]>,
    /// The same as JSON.
    node_ids: String,
    log_level: Level,
    timeout: Duration,
    now: Duration,
    /// How many events may still take place before time must move on.
    allowance: u64,
    last_sent: Duration,
    network: Network<Packet>,
    // Addresses are given out in this order: members, services, the starter, clients.
    members: Vec<Member<S>>,
    services: Vec<Attached>,
    starter: Address,
    /// The nodes that have not answered `init`, by the `msg_id` that they were sent.
    starting: BTreeMap<u64, usize>,
    inits: u64,
    clients: Vec<Client>,
    idle: BTreeSet<usize>,
    operations: Vec<Operation>,
    /// When which client gives up on which operation; in order, since all wait equally long.
    timeouts: VecDeque<(Duration, usize, usize)>,
    /// When which members want to be ticked.
    alarms: BTreeSet<(Duration, usize)>,
    /// How many members have handlers or tasks that wait.
    waiting: usize,
    counters: Counters,
    recorder: Recorder,
    log: VecDeque<(Duration, Address, Record)>,
    /// Kept to be used again.
    output: Output,
}

/// A node of the cluster, whether it runs or not.
struct Member<S: 'static> {
    address: Address,
    /// `None` while it is crashed.
    node: Option<Node<S>>,
    /// How often it was started.
    incarnation: u64,
    paused: bool,
    /// What it takes for the time; it outlives a crash.
    clock: Clock,
    /// What arrived during the pause.
    inbox: VecDeque<Packet>,
    /// Its entry in `Cluster::alarms`: not after the node's deadline.
    alarm: Option<Duration>,
    waiting: bool,
}

struct Attached {
    address: Address,
    service: Box<dyn Service>,
    rng: Rng,
}

struct Client {
    address: Address,
    name: Rc<str>,
    next_msg_id: u64,
    /// The `msg_id` of the request it waits for, and the operation.
    waiting: Option<(u64, usize)>,
}

impl<S> Cluster<S> {
    /// A cluster of so many nodes, `n0` and on, to be configured and started.
    #[expect(
        clippy::new_ret_no_self,
        reason = "the cluster exists once it is started"
    )]
    pub fn new(nodes: usize) -> Builder<S>
    where
        S: Default,
    {
        Cluster::with(nodes, |_| S::default())
    }

    /// The same, with a state made from what `init` says.
    pub fn with(nodes: usize, make: impl Fn(&Init) -> S + 'static) -> Builder<S> {
        let services = service::defaults().into_iter();
        Builder {
            nodes,
            make: Rc::new(make),
            seed: 0,
            latency: Latency::default(),
            delivery: Delivery::default(),
            timeout: CALL_TIMEOUT,
            log_level: Level::default(),
            record_all: false,
            services: services
                .map(|(name, service)| (name.to_owned(), service))
                .collect(),
        }
    }

    // Time.

    /// The virtual time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The seed that everything random follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now.saturating_add(duration);
        while self.step(until) {}
        self.advance(until);
    }

    /// Lets time pass until the cluster is quiet: nothing is under way, no handler waits, and
    /// for the longest period of an [`#[every]`](crate::every) nobody has sent anything.
    /// Nothing more would happen by itself, except that paused nodes go on later.
    ///
    /// Gives up at `limit` from now. Returns whether it is quiet.
    #[must_use = "a cluster that is still busy at the limit says so only here"]
    pub fn run_until_quiet(&mut self, limit: Duration) -> bool {
        let limit = self.now.saturating_add(limit);
        let period = self.members.iter().filter_map(|member| {
            let node = member.node.as_ref().filter(|_| !member.paused)?;
            Some(member.clock.takes(node.longest_period()))
        });
        let period = period.max().unwrap_or_default();
        loop {
            let busy = self.network.in_flight() > 0 || self.waiting > 0;
            let quiet_at = if busy {
                limit
            } else {
                let silent = self.last_sent.saturating_add(period);
                self.now.max(silent).min(limit)
            };
            if !self.step(quiet_at) {
                self.advance(quiet_at);
                return !busy && quiet_at >= self.last_sent.saturating_add(period);
            }
        }
    }

    // Clients.

    /// Sends a request to a node, or to a service, and lets time pass until the answer
    /// comes or the client gives up.
    ///
    /// # Errors
    /// The error that was answered; error 0 when no answer came in time, which tells nothing
    /// about whether the request took effect.
    #[track_caller]
    pub fn call<M>(&mut self, node: &str, message: M) -> Result<M::Reply, Error>
    where
        M: Message<Reply: DeserializeOwned> + Serialize,
    {
        let pending = self.invoke(node, message);
        self.wait(pending)
    }

    /// Sends a request to a node, or to a service, without letting time pass: so that many
    /// clients can have requests under way. Each is sent by a client of its own, and a
    /// client whose request timed out is not used again, as in Maelstrom.
    ///
    /// The result is there after [`run_for`](Cluster::run_for), in
    /// [`result`](Cluster::result) and [`history`](Cluster::history); or
    /// [`wait`](Cluster::wait) for it.
    #[track_caller]
    pub fn invoke<M: Message + Serialize>(&mut self, node: &str, message: M) -> Pending<M> {
        let dest = self.address(node);
        let index = self.operations.len();
        let client = self.idle.pop_first().unwrap_or_else(|| self.add_client());
        let Client {
            address,
            name,
            next_msg_id,
            waiting,
        } = &mut self.clients[client];
        *next_msg_id += 1;
        *waiting = Some((*next_msg_id, index));
        let mut line = Vec::new();
        let header = Header::Message {
            kind: M::TYPE,
            msg_id: Some(*next_msg_id),
        };
        if let Err(error) = write::message(&mut line, name, node, header, None, &message) {
            panic!("the message `{}` cannot be sent: {error}", M::TYPE);
        }
        let packet = Packet::new(line.trim_ascii_end());
        self.operations.push(Operation {
            client: Rc::clone(name),
            node: self.network.name(dest).into(),
            invoked: self.now,
            completed: None,
            request: packet.body_text().into(),
            result: None,
        });
        let deadline = self.now.saturating_add(self.timeout);
        self.timeouts.push_back((deadline, client, index));
        let src = *address;
        self.allow_more();
        self.send(src, dest, M::TYPE, packet);
        Pending {
            index,
            message: PhantomData,
        }
    }

    /// The result of a request, if it is there: the answer, or an error as in
    /// [`call`](Cluster::call). Time does not pass.
    pub fn result<M>(&self, pending: Pending<M>) -> Option<Result<M::Reply, Error>>
    where
        M: Message<Reply: DeserializeOwned>,
    {
        let result = self.operations[pending.index].result.as_ref();
        result.map(reply_to::<M>)
    }

    /// Lets time pass until the result of a request is there.
    ///
    /// # Errors
    /// As [`call`](Cluster::call).
    pub fn wait<M>(&mut self, pending: Pending<M>) -> Result<M::Reply, Error>
    where
        M: Message<Reply: DeserializeOwned>,
    {
        loop {
            if let Some(result) = self.result(pending) {
                return result;
            }
            // Every request has a deadline, so there is always a next event.
            self.step(Duration::MAX);
        }
    }

    /// Gives a node a line as it is, past the network, as a broken peer might send it.
    /// Nothing is given to a node that is crashed.
    #[track_caller]
    pub fn inject(&mut self, node: &str, line: impl AsRef<[u8]>) {
        let index = self.member(node);
        let packet = Packet::new(line.as_ref());
        let dest = self.members[index].address;
        self.record(Event::Injected {
            dest,
            packet: packet.clone(),
        });
        self.allow_more();
        self.receive(index, packet);
    }

    // Faults.

    /// Separates two groups: what arrives at a member of one from a member of the other is
    /// dropped. Everyone else still reaches everyone. Partitions add up until
    /// [`heal`](Cluster::heal).
    ///
    /// Services can be separated like nodes; unless named here, they never are.
    #[track_caller]
    pub fn partition<A, B>(&mut self, one: A, other: B)
    where
        A: IntoIterator<Item: AsRef<str>>,
        B: IntoIterator<Item: AsRef<str>>,
    {
        let groups = [self.addresses(one), self.addresses(other)];
        self.network.partition(&groups);
        let [one, other] = groups.map(|group| self.names(&group));
        self.fault(format!("partition: {one} | {other}"));
    }

    /// Drops what arrives at the second group from the first; the other direction stays.
    #[track_caller]
    pub fn partition_one_way<A, B>(&mut self, from: A, to: B)
    where
        A: IntoIterator<Item: AsRef<str>>,
        B: IntoIterator<Item: AsRef<str>>,
    {
        let (from, to) = (self.addresses(from), self.addresses(to));
        for src in &from {
            for dest in &to {
                self.network.block(*src, *dest);
            }
        }
        let (from, to) = (self.names(&from), self.names(&to));
        self.fault(format!("partition, one way: {from} → {to}"));
    }

    /// Ends all partitions.
    pub fn heal(&mut self) {
        self.network.heal();
        self.fault("heal".to_owned());
    }

    /// From now on, loses each message with the probability `p`; 0 ends it. Those of clients
    /// are never lost.
    #[track_caller]
    pub fn set_loss(&mut self, p: f64) {
        self.network.set_loss(p);
        self.fault(format!("loss: {p}"));
    }

    /// From now on, delivers each message twice with the probability `p`; 0 ends it. Those of
    /// clients are never duplicated.
    #[track_caller]
    pub fn set_duplicate(&mut self, p: f64) {
        self.network.set_duplicate(p);
        self.fault(format!("duplicates: {p}"));
    }

    /// From now on, messages take so many times their latency; 1 ends it.
    #[track_caller]
    pub fn slow(&mut self, factor: f64) {
        self.network.slow(factor);
        self.fault(format!("slow: {factor}"));
    }

    /// Gives all links without a latency of their own this latency, from now on.
    pub fn set_latency(&mut self, latency: Latency) {
        self.network.set_latency(latency);
        self.fault(format!("latency: {latency}"));
    }

    /// Gives one link a latency of its own, in one direction, from now on; `None` takes it
    /// away.
    #[track_caller]
    pub fn set_link_latency(&mut self, from: &str, to: &str, latency: impl Into<Option<Latency>>) {
        let (src, dest) = (self.address(from), self.address(to));
        let latency = latency.into();
        self.network.set_link_latency(src, dest, latency);
        let latency = latency.map_or("that of all".to_owned(), |own| own.to_string());
        self.fault(format!("latency {from} → {to}: {latency}"));
    }

    /// Stops a node where it is: until [`resume`](Cluster::resume) it does nothing, and what
    /// arrives waits.
    #[track_caller]
    pub fn pause(&mut self, node: &str) {
        let index = self.member(node);
        self.members[index].paused = true;
        self.set_waiting(index, false);
        self.fault(format!("pause: {node}"));
    }

    /// Lets a paused node go on: it gets what arrived meanwhile, in order, and then does what
    /// is overdue.
    #[track_caller]
    pub fn resume(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("resume: {node}"));
        let member = &mut self.members[index];
        member.paused = false;
        for packet in std::mem::take(&mut member.inbox) {
            self.receive(index, packet);
        }
        self.wake(index);
    }

    /// From now on, a node's clock goes `rate` times as fast as time, from what it shows; 1
    /// lets it go as time goes. All that a node knows of time follows its clock: `now`,
    /// `sleep`, timeouts and `#[every]`. A clock never goes back, and outlives a crash.
    #[track_caller]
    pub fn skew(&mut self, node: &str, rate: f64) {
        let index = self.member(node);
        self.fault(format!("skew: {node} × {rate}"));
        self.members[index].clock.set_rate(self.now, rate);
        self.wake(index);
    }

    /// A node's clock leaps ahead by so much.
    #[track_caller]
    pub fn leap(&mut self, node: &str, ahead: Duration) {
        let index = self.member(node);
        self.fault(format!("leap: {node} + {ahead:?}"));
        self.members[index].clock.leap(self.now, ahead);
        self.wake(index);
    }

    /// Ends a node at once, with all that it knew. What it has sent still arrives; what
    /// arrives for it is dropped.
    #[track_caller]
    pub fn crash(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("crash: {node}"));
        self.kill(index);
    }

    /// Starts a node anew, with a fresh state and an `init`; ends it before, if it runs. Its
    /// random numbers are other ones than before.
    #[track_caller]
    pub fn restart(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("restart: {node}"));
        self.kill(index);
        self.boot(index);
    }

    // What happened.

    /// The names of the nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let addresses = self.members.iter().map(|member| member.address);
        addresses.map(|address| self.network.name(address))
    }

    /// All operations of the clients, in the order of their requests.
    pub fn history(&self) -> &[Operation] {
        &self.operations
    }

    /// How much was sent so far.
    pub fn traffic(&self) -> Traffic {
        self.counters.report(&self.network)
    }

    /// The events so far.
    pub fn journal(&self) -> Journal<'_> {
        Journal {
            recorder: &self.recorder,
            network: &self.network,
        }
    }

    /// What the nodes told people so far, the last ten thousand records of it: when, which
    /// node, and what. A handler that panics shows up here.
    pub fn log(&self) -> impl ExactSizeIterator<Item = (Duration, &str, &Record)> {
        let log = self.log.iter();
        log.map(|(at, node, record)| (*at, self.network.name(*node), record))
    }

    /// The last events as a picture for people; what a failing test prints.
    pub fn trace(&self, last: usize) -> String {
        format!(
            "simulation with seed {} at {:?}, after {} events:\n{}",
            self.seed,
            self.now,
            self.recorder.count(),
            self.journal().trace(last)
        )
    }

    // Names.

    #[track_caller]
    fn address(&self, name: &str) -> Address {
        match self.network.lookup(name) {
            Some(address) => address,
            None => panic!("nobody is called {name:?} here; {}", self.who_is_here()),
        }
    }

    #[track_caller]
    fn member(&self, name: &str) -> usize {
        let index = self.address(name).index();
        assert!(
            index < self.members.len(),
            "{name:?} is not a node; {}",
            self.who_is_here()
        );
        index
    }

    #[track_caller]
    fn addresses(&self, names: impl IntoIterator<Item: AsRef<str>>) -> Vec<Address> {
        let mut addresses = Vec::new();
        for name in names {
            addresses.push(self.address(name.as_ref()));
        }
        addresses
    }

    fn names(&self, addresses: &[Address]) -> String {
        let names = addresses.iter().map(|address| self.network.name(*address));
        names.collect::<Vec<_>>().join(" ")
    }

    fn who_is_here(&self) -> String {
        let services = self.services.iter().map(|it| it.address);
        let services = self.names(&services.collect::<Vec<_>>());
        match self.members.len() {
            0 => format!("there are no nodes, and the services {services}"),
            1 => format!("there are the node n0 and the services {services}"),
            many => format!(
                "there are the nodes n0 to n{} and the services {services}",
                many - 1
            ),
        }
    }

    // The course of events.

    /// Does the next thing that is due until `until`, if there is one.
    fn step(&mut self, until: Duration) -> bool {
        let arrival = self.network.next_due();
        let alarm = self.alarms.first().map(|(due, _)| *due);
        let timeout = self.timeouts.front().map(|(due, ..)| *due);
        let Some(next) = [arrival, alarm, timeout].into_iter().flatten().min() else {
            return false;
        };
        if next > until {
            return false;
        }
        self.advance(next);
        let Some(allowance) = self.allowance.checked_sub(1) else {
            panic!(
                "time stands still at {next:?}: things happen at this moment without end; \
                 messages that provoke each other need a latency, as in \
                 `.latency(Latency::constant(ms(1)))`"
            );
        };
        self.allowance = allowance;
        // What arrives in the last moment arrives in time.
        if arrival == Some(next) {
            if let Some(event) = self.network.poll(next) {
                self.arrive(event);
            }
        } else if alarm == Some(next) {
            if let Some((_, index)) = self.alarms.first() {
                self.wake(*index);
            }
        } else if let Some((_, client, operation)) = self.timeouts.pop_front() {
            self.give_up(client, operation);
        }
        true
    }

    fn advance(&mut self, now: Duration) {
        if now > self.now {
            self.now = now;
            self.allowance = EVENTS_AT_ONCE;
        }
    }

    /// Takes into account that what comes from outside may provoke messages between all
    /// pairs of nodes, and all at this moment.
    fn allow_more(&mut self) {
        self.allowance += 100 * (self.members.len() as u64).pow(2);
    }

    fn record(&mut self, event: Event) {
        self.recorder.record(self.now, event);
    }

    fn fault(&mut self, text: String) {
        self.record(Event::Fault(text));
    }

    fn send(&mut self, src: Address, dest: Address, kind: &str, packet: Packet) {
        let roles = (self.network.role(src), self.network.role(dest));
        self.counters
            .sent((src, roles.0), roles.1, kind, packet.len());
        self.last_sent = self.now;
        let id = self.network.send(self.now, src, dest, packet.clone());
        self.record(Event::Sent {
            id,
            src,
            dest,
            packet,
        });
    }

    fn arrive(&mut self, event: network::Passage<Packet>) {
        let network::Passage {
            id,
            src,
            dest,
            message: packet,
            fate,
            ..
        } = event;
        self.counters.ended(dest, fate, packet.len());
        self.record(Event::Arrived {
            id,
            src,
            dest,
            packet: packet.clone(),
            fate,
        });
        if fate == Fate::Delivered {
            match self.network.role(dest) {
                Role::Server => self.receive(dest.index(), packet),
                Role::Service => self.serve(dest, src, &packet),
                Role::Client => self.take_answer(dest, &packet),
            }
        }
    }

    // Nodes.

    /// Makes a node, and sends it its `init`.
    fn boot(&mut self, index: usize) {
        let member = &mut self.members[index];
        let number = ((index as u64) << 32) + member.incarnation;
        let seed = Rng::seeded(self.node_seeds.wrapping_add(number)).next_u64();
        member.incarnation += 1;
        let make = Rc::clone(&self.make);
        let mut node = match Node::with(seed, move |init| make(init)) {
            Ok(node) => node,
            Err(error) => panic!("{error}"),
        };
        node.set_log_level(self.log_level);
        node.share_names(Rc::clone(&self.names));
        member.node = Some(node);
        let dest = member.address;
        self.network.bring_up(dest);
        self.allow_more();
        self.inits += 1;
        self.starting.insert(self.inits, index);
        let line = format!(
            r#"{{"src":"c0","dest":"n{index}","body":{{"type":"init","msg_id":{},"node_id":"n{index}","node_ids":{}}}}}"#,
            self.inits, self.node_ids
        );
        self.send(self.starter, dest, Init::TYPE, Packet::new(line.as_bytes()));
        // Whatever happens first at this moment; the node itself takes no time to start.
        while self.step(self.now) {}
    }

    fn kill(&mut self, index: usize) {
        self.set_waiting(index, false);
        self.clear_alarm(index);
        let member = &mut self.members[index];
        member.node = None;
        member.paused = false;
        member.inbox.clear();
        self.network.take_down(member.address);
        self.starting.retain(|_, starting| *starting != index);
    }

    fn receive(&mut self, index: usize, packet: Packet) {
        let member = &mut self.members[index];
        if member.paused {
            member.inbox.push_back(packet);
        } else if let Some(node) = &mut member.node {
            node.handle(member.clock.at(self.now), packet.line());
            self.settle(index);
        }
    }

    /// Lets a node do what is due.
    fn wake(&mut self, index: usize) {
        self.clear_alarm(index);
        let member = &mut self.members[index];
        if member.paused {
            return;
        }
        let now = member.clock.at(self.now);
        if let Some(node) = &mut member.node
            && node.deadline().is_some_and(|due| due <= now)
        {
            node.tick(now);
        }
        self.settle(index);
    }

    /// Carries away what a node has sent and told, and sets its alarm.
    fn settle(&mut self, index: usize) {
        let member = &mut self.members[index];
        let Some(node) = &mut member.node else { return };
        let src = member.address;
        node.swap_output(&mut self.output);
        let records = node.take_log();
        let waiting = !node.is_idle();
        if let Some(deadline) = node.deadline() {
            // A later deadline is found when the alarm rings.
            let due = member.clock.when(deadline).max(self.now);
            if member.alarm.is_none_or(|alarm| due < alarm) {
                self.clear_alarm(index);
                self.members[index].alarm = Some(due);
                self.alarms.insert((due, index));
            }
        }
        self.set_waiting(index, waiting);
        for record in records {
            if self.log.len() == KEPT_LOG {
                self.log.pop_front();
            }
            self.log.push_back((self.now, src, record.clone()));
            self.record(Event::Logged { node: src, record });
        }
        let output = std::mem::take(&mut self.output);
        for action in output.actions() {
            match action {
                Action::Send(batch) => {
                    for (message, packet) in batch.messages().zip(Packet::of(batch)) {
                        self.route(src, message, packet);
                    }
                }
            }
        }
        self.output = output;
    }

    fn clear_alarm(&mut self, index: usize) {
        if let Some(alarm) = self.members[index].alarm.take() {
            self.alarms.remove(&(alarm, index));
        }
    }

    fn set_waiting(&mut self, index: usize, waiting: bool) {
        let before = std::mem::replace(&mut self.members[index].waiting, waiting);
        self.waiting += usize::from(waiting);
        self.waiting -= usize::from(before);
    }

    /// Sends what a node wrote to where it belongs.
    fn route(&mut self, src: Address, message: Outgoing<'_>, packet: Packet) {
        let Outgoing { dest, kind, line } = message;
        match self.network.lookup(dest) {
            Some(dest) => self.send(src, dest, kind, packet),
            // Whoever sent an injected line may not exist, and is answered all the same.
            None if packet.envelope().body.in_reply_to.is_some() => {}
            None => panic!(
                "{} sent a message to {dest:?}, and nobody is called that here; {}; the message: {}",
                self.network.name(src),
                self.who_is_here(),
                String::from_utf8_lossy(line)
            ),
        }
    }

    // Services.

    fn serve(&mut self, address: Address, src: Address, packet: &Packet) {
        let Attached { service, rng, .. } =
            &mut self.services[address.index() - self.members.len()];
        let body: Value = serde_json::from_str(packet.body_text()).expect("nodes write JSON");
        let (me, caller) = (self.network.name(address), self.network.name(src));
        if let Some(body) = service.answer(self.now, caller, &body, rng) {
            let kind = body["type"].as_str().unwrap_or_default();
            let line = json!({"src": me, "dest": caller, "body": body}).to_string();
            self.send(address, src, kind, Packet::new(line.as_bytes()));
        }
    }

    // Clients.

    fn add_client(&mut self) -> usize {
        let index = self.clients.len();
        let name = format!("c{}", index + 1);
        self.clients.push(Client {
            address: self.network.add(&name, Role::Client),
            name: name.into(),
            next_msg_id: 0,
            waiting: None,
        });
        index
    }

    fn take_answer(&mut self, address: Address, packet: &Packet) {
        let Envelope { body, .. } = packet.envelope();
        let Some(msg_id) = body.in_reply_to.and_then(|digits| digits.parse().ok()) else {
            return;
        };
        let result = match body.kind.as_deref() {
            Some("error") => Err(decode_error(&body)),
            _ => Ok(packet.body_text().into()),
        };
        if address == self.starter {
            let started = self.starting.remove(&msg_id);
            if let (Some(index), Err(error)) = (started, result) {
                panic!("node n{index} answered `init` with error {error}");
            }
            return;
        }
        let client = address.index() - self.starter.index() - 1;
        let waiting = &mut self.clients[client].waiting;
        if let Some((_, operation)) = waiting.take_if(|(waits_for, _)| *waits_for == msg_id) {
            self.idle.insert(client);
            self.complete(operation, result);
        }
    }

    /// Ends the wait of a client for the result of an operation, if it still waits.
    fn give_up(&mut self, client: usize, operation: usize) {
        let Client { name, waiting, .. } = &mut self.clients[client];
        if waiting
            .take_if(|(_, waits_for)| *waits_for == operation)
            .is_none()
        {
            return;
        }
        let node = &self.operations[operation].node;
        let error = format!("no answer from {node} within {:?}", self.timeout);
        let text = format!("{name} gives up on {node}");
        self.fault(text);
        self.complete(operation, Err(Error::timeout(error)));
    }

    fn complete(&mut self, operation: usize, result: Result<Box<str>, Error>) {
        let operation = &mut self.operations[operation];
        operation.completed = Some(self.now);
        operation.result = Some(result);
    }
}

impl<S> Drop for Cluster<S> {
    fn drop(&mut self) {
        if std::thread::panicking() && !check::searching() && self.recorder.count() > 0 {
            eprint!("{}", self.trace(TRACE));
        }
    }
}
