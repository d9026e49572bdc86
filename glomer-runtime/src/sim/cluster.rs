//! A whole cluster in one thread, in virtual time.

use super::check;
use super::client::{Caller, Client};
use super::disk::Health;
use super::history::{Operation, Pending, reply_to};
use super::host::{Host, Program};
use super::journal::{Event, Journal, Recorder};
use super::latency::Latency;
use super::network::{self, Address, Delivery, Fate, Network, Role};
use super::packet::Packet;
use super::service::{self, Service};
use super::traffic::{Counters, Traffic};
use crate::body::read::{Envelope, decode_error};
use crate::log::{Level, Record};
use crate::{Action, Contents, Error, Init, Message, Outgoing, Output, Rng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
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
    programs: Vec<Program>,
    state: PhantomData<fn() -> S>,
    seed: u64,
    latency: Latency,
    delivery: Delivery,
    timeout: Duration,
    log_level: Level,
    tolerate_panics: bool,
    record_all: bool,
    services: BTreeMap<String, Box<dyn Service>>,
    disk_latency: Latency,
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("programs", &self.programs)
            .field("seed", &self.seed)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
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

    /// How long the nodes' disks take to make durable what was written before: no time
    /// unless told.
    pub fn disk_latency(mut self, latency: Latency) -> Self {
        self.disk_latency = latency;
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

    /// Lets the test go on when a node reports an error: when a handler, a periodic function
    /// or a spawned task panics, or a reply cannot be written. The node lives on in any case
    /// and answers error 13, as under Maelstrom; unless told so, the test fails.
    pub fn tolerate_panics(mut self) -> Self {
        self.tolerate_panics = true;
        self
    }

    /// Runs something else on one of the nodes, whose state may be of another type:
    /// [`Cluster::state_of`] looks into that one.
    ///
    /// ```
    /// use glomer_runtime::prelude::*;
    /// use glomer_runtime::sim::{Cluster, Program};
    ///
    /// /// Forgets what it is told.
    /// #[derive(Default)]
    /// struct Forgetful;
    ///
    /// #[derive(Default)]
    /// struct Register(u64);
    ///
    /// #[handler("put")]
    /// fn put(state: &mut Register, value: u64) {
    ///     state.0 = value;
    /// }
    ///
    /// #[handler("put", message = PutAway)]
    /// fn put_away(_: &Forgetful, value: u64) {
    ///     drop(value);
    /// }
    ///
    /// let mut cluster = Cluster::<Register>::new(3)
    ///     .program("n2", Program::of::<Forgetful>())
    ///     .start();
    /// cluster.call("n0", Put { value: 7 }).unwrap();
    /// cluster.call("n2", Put { value: 7 }).unwrap();
    /// assert_eq!(cluster.state("n0", |register| register.0), 7);
    /// ```
    ///
    /// # Panics
    /// When there is no such node.
    #[track_caller]
    pub fn program(mut self, node: &str, program: Program) -> Self {
        let count = self.programs.len();
        let number = (0..count).find(|number| node == format!("n{number}"));
        let Some(number) = number else {
            panic!("there is no node {node:?} among {count}, which are called n0 and on");
        };
        self.programs[number] = program;
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
        let nodes = self.programs.into_iter().enumerate();
        let nodes = nodes.map(|(number, program)| (format!("n{number}"), program));
        let mut host = Host::new(node_seeds, nodes);
        // Whatever is kept of them, errors are heard.
        host.set_log_level(self.log_level.max(Level::Error));
        for node in 0..host.names().len() {
            host.set_disk_latency(node, self.disk_latency);
        }
        let members = host.names().iter();
        let members = members
            .map(|name| network.add(name, Role::Server))
            .collect();
        let services = self.services.into_iter().map(|(name, service)| Attached {
            address: network.add(&name, Role::Service),
            service,
            rng: rng.fork(),
        });
        let services = services.collect();
        let starter = network.add("c0", Role::Client);
        let mut cluster = Cluster {
            seed: self.seed,
            state: self.state,
            node_ids: json!(host.names()).to_string(),
            log_level: self.log_level,
            tolerate_panics: self.tolerate_panics,
            timeout: self.timeout,
            now: Duration::ZERO,
            allowance: EVENTS_AT_ONCE,
            last_sent: Duration::ZERO,
            network,
            host,
            members,
            services,
            starter,
            starting: BTreeMap::new(),
            inits: 0,
            clients: Vec::new(),
            idle: BTreeSet::new(),
            operations: Vec::new(),
            timeouts: VecDeque::new(),
            counters: Counters::default(),
            recorder: Recorder::new(self.record_all),
            log: VecDeque::new(),
            output: Output::default(),
        };
        for index in 0..cluster.members.len() {
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
///
/// It stays on the thread that made it: it is not `Send`. [`check`](super::check) runs many on all
/// cores.
pub struct Cluster<S: 'static> {
    seed: u64,
    state: PhantomData<fn() -> S>,
    /// The names of all nodes as JSON.
    node_ids: String,
    log_level: Level,
    tolerate_panics: bool,
    timeout: Duration,
    now: Duration,
    /// How many events may still take place before time must move on.
    allowance: u64,
    last_sent: Duration,
    network: Network<Packet>,
    // Addresses are given out in this order: members, services, the starter, clients.
    host: Host,
    /// The addresses of the nodes.
    members: Vec<Address>,
    services: Vec<Attached>,
    starter: Address,
    /// The nodes that have not answered `init`, by the `msg_id` that they were sent.
    starting: BTreeMap<u64, usize>,
    inits: u64,
    clients: Vec<Caller>,
    idle: BTreeSet<usize>,
    operations: Vec<Operation>,
    /// When which client gives up on which operation; in order, since all wait equally long.
    timeouts: VecDeque<(Duration, usize, usize)>,
    counters: Counters,
    recorder: Recorder,
    log: VecDeque<(Duration, Address, Record)>,
    /// Kept to be used again.
    output: Output,
}

impl<S> fmt::Debug for Cluster<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("host", &self.host)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

struct Attached {
    address: Address,
    service: Box<dyn Service>,
    rng: Rng,
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
            programs: vec![Program::with(make); nodes],
            state: PhantomData,
            seed: 0,
            latency: Latency::default(),
            disk_latency: Latency::default(),
            delivery: Delivery::default(),
            timeout: CALL_TIMEOUT,
            log_level: Level::default(),
            tolerate_panics: false,
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
        let period = self.host.longest_period();
        loop {
            let busy = self.network.in_flight() > 0 || !self.host.is_idle();
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
        let client = self.idle.pop_first().unwrap_or_else(|| {
            let free = (1..).map(|number| format!("c{number}"));
            let mut free = free.filter(|name| self.network.lookup(name).is_none());
            let name = free.next().expect("there are more names than clients");
            self.add_client(&name)
        });
        self.invoke_as(client, node, message)
    }

    /// A client of a chosen name, which is its alone: requests without a client of their own
    /// come from others.
    ///
    /// ```
    /// use glomer_runtime::prelude::*;
    /// use glomer_runtime::sim::Cluster;
    ///
    /// #[derive(Default)]
    /// struct Lock {
    ///     holder: Option<String>,
    /// }
    ///
    /// #[handler("acquire", reply = "granted")]
    /// fn acquire(state: &mut Lock, cx: &Context) -> bool {
    ///     let holder = state.holder.get_or_insert(cx.sender().to_owned());
    ///     holder == cx.sender()
    /// }
    ///
    /// let mut cluster = Cluster::<Lock>::new(1).start();
    /// assert_eq!(cluster.client("c7").call("n0", Acquire {}), Ok(true));
    /// assert_eq!(cluster.client("c8").call("n0", Acquire {}), Ok(false));
    /// assert_eq!(cluster.client("c7").call("n0", Acquire {}), Ok(true));
    /// ```
    ///
    /// # Panics
    /// When a node or a service has that name.
    #[track_caller]
    pub fn client(&mut self, name: &str) -> Client<'_, S> {
        let index = match self.network.lookup(name) {
            None => self.add_client(name),
            Some(address) => {
                let client = address.index().checked_sub(self.starter.index() + 1);
                client.unwrap_or_else(|| panic!("{name:?} is not a client; choose another name"))
            }
        };
        self.idle.remove(&index);
        self.clients[index].named = true;
        Client {
            cluster: self,
            index,
        }
    }

    /// Sends a request of a client.
    #[track_caller]
    pub(super) fn invoke_as<M: Message + Serialize>(
        &mut self,
        client: usize,
        node: &str,
        message: M,
    ) -> Pending<M> {
        let dest = self.address(node);
        let index = self.operations.len();
        let caller = &mut self.clients[client];
        let (line, name) = caller.ask(node, &message, index);
        let src = caller.address;
        let packet = Packet::new(line.trim_ascii_end());
        self.operations.push(Operation {
            client: name,
            node: self.network.name(dest).into(),
            invoked: self.now,
            completed: None,
            request: packet.body_text().into(),
            result: None,
        });
        let deadline = self.now.saturating_add(self.timeout);
        self.timeouts.push_back((deadline, client, index));
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
        let dest = self.members[index];
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
        self.host.pause(index);
        self.fault(format!("pause: {node}"));
    }

    /// Lets a paused node go on: it gets what arrived meanwhile, in order, and then does what
    /// is overdue.
    #[track_caller]
    pub fn resume(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("resume: {node}"));
        self.host.resume(self.now, index);
        self.settle(index);
    }

    /// From now on, a node's clock goes `rate` times as fast as time, from what it shows; 1
    /// lets it go as time goes. All that a node knows of time follows its clock: `now`,
    /// `sleep`, timeouts and `#[every]`. A clock never goes back, and outlives a crash.
    #[track_caller]
    pub fn skew(&mut self, node: &str, rate: f64) {
        let index = self.member(node);
        self.fault(format!("skew: {node} × {rate}"));
        self.host.skew(self.now, index, rate);
        self.settle(index);
    }

    /// A node's clock leaps ahead by so much.
    #[track_caller]
    pub fn leap(&mut self, node: &str, ahead: Duration) {
        let index = self.member(node);
        self.fault(format!("leap: {node} + {ahead:?}"));
        self.host.leap(self.now, index, ahead);
        self.settle(index);
    }

    /// Ends a node at once, with all that it knew. What it has sent still arrives; what
    /// arrives for it is dropped. What it wrote to its disk stays, as far as it was durable,
    /// and maybe some of what was written after that, in order, up to a point that is drawn.
    #[track_caller]
    pub fn crash(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("crash: {node}"));
        self.kill(index);
    }

    /// Starts a node anew, with a fresh state, what is on its disk, and an `init`; ends it before, if it runs. Its
    /// random numbers are other ones than before.
    #[track_caller]
    pub fn restart(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("restart: {node}"));
        self.kill(index);
        self.boot(index);
    }

    /// From now on, a node's disk takes so long to make durable what was written before.
    #[track_caller]
    pub fn set_disk_latency(&mut self, node: &str, latency: Latency) {
        let index = self.member(node);
        self.fault(format!("disk: {node} takes {latency}"));
        self.host.set_disk_latency(index, latency);
    }

    /// From now on, a node's disk is well, or not. A node whose disk fails is dead with the
    /// first write that cannot be made durable, and what waited for that is never sent; its
    /// [log](Cluster::log) tells.
    #[track_caller]
    pub fn set_disk_health(&mut self, node: &str, health: Health) {
        let index = self.member(node);
        self.fault(format!("disk: {node} is {health:?}"));
        self.host.set_disk_health(index, health);
    }

    /// Crashes a node, if it runs, and empties its disk.
    #[track_caller]
    pub fn wipe(&mut self, node: &str) {
        let index = self.member(node);
        self.fault(format!("wipe: {node}"));
        self.kill(index);
        self.host.wipe(index);
    }

    // What happened.

    /// The names of the nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.host.names().iter().map(String::as_str)
    }

    /// Looks at the state of a node, between its turns.
    ///
    /// # Panics
    /// When the node is crashed, has not seen its `init`, or runs a
    /// [program](Builder::program) with another type of state.
    #[track_caller]
    pub fn state<R>(&self, node: &str, look: impl FnOnce(&S) -> R) -> R {
        self.state_of(node, look)
    }

    /// The same for a node with another type of state, which is that of the closure's
    /// parameter.
    ///
    /// # Panics
    /// As [`state`](Cluster::state).
    #[track_caller]
    pub fn state_of<T: 'static, R>(&self, node: &str, look: impl FnOnce(&T) -> R) -> R {
        match self.host.state(self.member(node), look) {
            Some(seen) => seen,
            None => panic!("{node} has no state: it is crashed, or has not seen its `init`"),
        }
    }

    /// What is on the disk of a node, and durable.
    #[track_caller]
    pub fn disk(&self, node: &str) -> &Contents {
        self.host.disk(self.member(node))
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
        let turn = self.host.deadline();
        let timeout = self.timeouts.front().map(|(due, ..)| *due);
        let Some(next) = [arrival, turn.map(|(due, _)| due), timeout]
            .into_iter()
            .flatten()
            .min()
        else {
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
        } else if let Some((due, index)) = turn
            && due == next
        {
            self.host.tick(next, index);
            self.settle(index);
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
        if let Err(error) = self.host.start(index) {
            panic!("{error}");
        }
        let dest = self.members[index];
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
        self.host.kill(index);
        self.bury(index);
    }

    /// Takes note that a node does not run any more.
    fn bury(&mut self, index: usize) {
        self.network.take_down(self.members[index]);
        self.starting.retain(|_, starting| *starting != index);
    }

    fn receive(&mut self, index: usize, packet: Packet) {
        self.host.deliver(self.now, index, packet.line());
        self.settle(index);
    }

    /// Carries away what a node has sent and told.
    fn settle(&mut self, index: usize) {
        let src = self.members[index];
        self.hear_all(index);
        let mut output = std::mem::take(&mut self.output);
        self.host.swap_output(self.now, index, &mut output);
        for action in output.actions() {
            match action {
                Action::Send(batch) => {
                    for (message, packet) in batch.messages().zip(Packet::of(batch)) {
                        self.route(src, message, packet);
                    }
                }
                Action::Write(_) => unreachable!("the host has done it"),
            }
        }
        self.output = output;
        if !self.host.is_running(index) {
            self.hear_all(index);
            self.bury(index);
        }
    }

    /// Takes note of all that a node told people.
    fn hear_all(&mut self, index: usize) {
        for record in self.host.take_log(index) {
            self.hear(self.members[index], record);
        }
    }

    /// Takes note of what a node told people.
    fn hear(&mut self, node: Address, record: Record) {
        if record.level <= self.log_level {
            if self.log.len() == KEPT_LOG {
                self.log.pop_front();
            }
            self.log.push_back((self.now, node, record.clone()));
            let record = record.clone();
            self.record(Event::Logged { node, record });
        }
        if record.level == Level::Error && !self.tolerate_panics {
            panic!(
                "{} reported an error at {:?}, with seed {}: {}\n\
                 the node lives on, as under Maelstrom; a test that means it says \
                 `.tolerate_panics()` before `.start()`",
                self.network.name(node),
                self.now,
                self.seed,
                record.text
            );
        }
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
        let body = packet.body_text();
        let (me, caller) = (self.network.name(address), self.network.name(src));
        if let Some(body) = service.answer(self.now, caller, body, rng) {
            let line = format!(
                r#"{{"src":{},"dest":{},"body":{body}}}"#,
                json!(me),
                json!(caller)
            );
            let packet = Packet::new(line.as_bytes());
            let shared = packet.clone();
            let kind = shared.envelope().body.kind;
            self.send(address, src, kind.as_deref().unwrap_or_default(), packet);
        }
    }

    // Clients.

    fn add_client(&mut self, name: &str) -> usize {
        let address = self.network.add(name, Role::Client);
        self.clients.push(Caller::new(address, name));
        self.clients.len() - 1
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
        let caller = &mut self.clients[client];
        if let Some(operation) = caller.answered(msg_id) {
            if !caller.named {
                self.idle.insert(client);
            }
            self.complete(operation, result);
        }
    }

    /// Ends the wait of a client for the result of an operation, if it still waits.
    fn give_up(&mut self, client: usize, operation: usize) {
        let caller = &mut self.clients[client];
        if !caller.gave_up(operation) {
            return;
        }
        let name = Rc::clone(&caller.name);
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
