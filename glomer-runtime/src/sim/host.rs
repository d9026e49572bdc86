//! What holds running nodes in virtual time, whoever simulates the rest of the world.

use super::clock::Clock;
use super::disk::{Disk, Failed, Health};
use super::latency::Latency;
use crate::log::{Level, Record};
use crate::{Contents, Init, Node, Output, Rng, StartError};
use std::any::{Any, type_name};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// The seed of a node that was started so often before: the same for whoever runs it, in a
/// [`Host`] or in a process of its own. It has 53 bits, so that every language that reads JSON
/// reads it.
pub fn node_seed(seed: u64, node: &str, incarnation: u64) -> u64 {
    Rng::named(seed.wrapping_add(incarnation), &[node]).next_u64() >> 11
}

/// The seed of a node's disk, which draws from it alone.
fn disk_seed(seed: u64, node: &str) -> u64 {
    Rng::named(!seed, &[node]).next_u64()
}

/// What a node runs. Each start makes the node anew.
#[derive(Clone)]
pub struct Program {
    /// Makes the node of a seed.
    make: Rc<dyn Fn(u64) -> Made>,
    /// Whether it has memory for a disk.
    forgets: bool,
}

type Made = Result<Box<dyn AnyNode>, StartError>;

impl Program {
    /// The node whose handlers have the state `S`, which begins with its default.
    pub fn of<S: Default + 'static>() -> Program {
        Program::with(|_| S::default())
    }

    /// The same, with a state made from what `init` says.
    pub fn with<S: 'static>(make: impl Fn(&Init) -> S + 'static) -> Program {
        let make = Rc::new(make);
        Program {
            make: Rc::new(move |seed| {
                let make = Rc::clone(&make);
                Ok(Box::new(Node::with(seed, move |init| make(init))?))
            }),
            forgets: false,
        }
    }

    /// The same without a disk: what a node keeps ends with it. A test that passes with a disk
    /// and fails without shows that the node needs it, and that the test can tell.
    pub fn in_memory(mut self) -> Program {
        self.forgets = true;
        self
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

/// A [`Node`], whatever its state.
trait AnyNode {
    fn set_log_level(&mut self, level: Level);
    fn share_names(&mut self, names: Rc<[String]>);
    /// Gives it a disk that holds this; without one, memory.
    fn set_disk(&mut self, contents: Option<Contents>);
    fn handle(&mut self, now: Duration, line: &[u8]);
    fn tick(&mut self, now: Duration);
    fn deadline(&self) -> Option<Duration>;
    fn swap_output(&mut self, output: &mut Output);
    fn take_log(&mut self) -> Vec<Record>;
    fn is_idle(&self) -> bool;
    fn longest_period(&self) -> Duration;
    /// Lends the state, once there is one.
    fn state(&self, look: &mut dyn FnMut(&dyn Any));
}

impl<S: 'static> AnyNode for Node<S> {
    fn set_log_level(&mut self, level: Level) {
        self.set_log_level(level);
    }

    fn share_names(&mut self, names: Rc<[String]>) {
        self.share_names(names);
    }

    fn set_disk(&mut self, contents: Option<Contents>) {
        match contents {
            Some(contents) => self.set_disk(contents),
            None => self.use_memory_for_disk(),
        }
    }

    fn handle(&mut self, now: Duration, line: &[u8]) {
        self.handle(now, line);
    }

    fn tick(&mut self, now: Duration) {
        self.tick(now);
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline()
    }

    fn swap_output(&mut self, output: &mut Output) {
        self.swap_output(output);
    }

    fn take_log(&mut self) -> Vec<Record> {
        self.take_log()
    }

    fn is_idle(&self) -> bool {
        self.is_idle()
    }

    fn longest_period(&self) -> Duration {
        self.longest_period()
    }

    fn state(&self, look: &mut dyn FnMut(&dyn Any)) {
        self.state(|state| look(state));
    }
}

/// Nodes that run in one thread in virtual time, and nothing else of their world: no network,
/// no clients.
///
/// Whoever has a host brings lines to its nodes, gives them their turns when these are due,
/// and carries away what they want done. [`Cluster`](super::Cluster) does so with a simulated
/// network, and the workbench with its engine. Nodes go by their numbers, in the order in
/// which they were given. Each has a disk, which outlives it. Times are measured from any fixed moment and must not run
/// backwards.
///
/// The random numbers of a node follow from the host's seed, the node's name and how often
/// it was started, and from nothing else; those of its disk from the seed and the name.
///
/// ```
/// use glomer_runtime::prelude::*;
/// use glomer_runtime::Output;
/// use glomer_runtime::sim::{Host, Program, ms};
///
/// #[derive(Default)]
/// struct Beats(u64);
///
/// #[every("1s")]
/// fn beat(state: &mut Beats) {
///     state.0 += 1;
/// }
///
/// let mut host = Host::new(42, [("n0".to_owned(), Program::of::<Beats>())]);
/// host.start(0).unwrap();
/// let init = br#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
/// host.deliver(ms(0), 0, init);
/// let mut output = Output::default();
/// host.swap_output(ms(0), 0, &mut output);
/// assert_eq!(output.messages().next().unwrap().kind, "init_ok");
///
/// assert_eq!(host.deadline(), Some((ms(1000), 0)));
/// host.tick(ms(1000), 0);
/// assert_eq!(host.state(0, |state: &Beats| state.0), Some(1));
///
/// // Its clock goes twice as fast from now on.
/// host.skew(ms(1000), 0, 2.0);
/// assert_eq!(host.deadline(), Some((ms(1500), 0)));
/// ```
pub struct Host {
    seed: u64,
    names: Rc<[String]>,
    members: Vec<Member>,
    log_level: Level,
    /// When which nodes want a turn.
    alarms: BTreeSet<(Duration, usize)>,
    /// How many nodes that run have handlers or tasks that wait.
    waiting: usize,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("seed", &self.seed)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A node, whether it runs or not.
struct Member {
    program: Program,
    /// `None` while it does not run.
    node: Option<Box<dyn AnyNode>>,
    /// How often it was started.
    incarnation: u64,
    paused: bool,
    /// What arrived during the pause.
    inbox: VecDeque<Vec<u8>>,
    clock: Clock,
    /// Its entry in `Host::alarms`: not after the node's deadline.
    alarm: Option<Duration>,
    waiting: bool,
    disk: Disk,
    /// What it told when it died of its disk.
    last_words: Vec<Record>,
}

impl Host {
    /// So many nodes, by their names, none of which runs yet.
    pub fn new(seed: u64, nodes: impl IntoIterator<Item = (String, Program)>) -> Host {
        let (names, members): (Vec<String>, Vec<Member>) = nodes
            .into_iter()
            .map(|(name, program)| {
                let member = Member {
                    program,
                    node: None,
                    incarnation: 0,
                    paused: false,
                    inbox: VecDeque::new(),
                    clock: Clock::default(),
                    alarm: None,
                    waiting: false,
                    disk: Disk::new(Latency::default(), disk_seed(seed, &name)),
                    last_words: Vec::new(),
                };
                (name, member)
            })
            .unzip();
        Host {
            seed,
            names: names.into(),
            members,
            log_level: Level::default(),
            alarms: BTreeSet::new(),
            waiting: 0,
        }
    }

    /// The names of the nodes.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How much nodes tell in [`take_log`](Host::take_log), from their next start;
    /// [`Level::Warn`] at first.
    pub fn set_log_level(&mut self, level: Level) {
        self.log_level = level;
    }

    // Life and death.

    /// Starts a node anew, with nothing that it knew but what is on its disk; ends it before,
    /// if it runs. It waits
    /// for its `init` like any other node.
    ///
    /// # Errors
    /// As [`Node::with`].
    pub fn start(&mut self, node: usize) -> Result<(), StartError> {
        self.kill(node);
        let member = &mut self.members[node];
        let seed = node_seed(self.seed, &self.names[node], member.incarnation);
        member.incarnation += 1;
        let mut started = (member.program.make)(seed)?;
        started.set_log_level(self.log_level);
        started.share_names(Rc::clone(&self.names));
        let has_disk = !member.program.forgets;
        started.set_disk(has_disk.then(|| member.disk.contents().clone()));
        member.node = Some(started);
        Ok(())
    }

    /// Ends a node at once, with all that it knew, and what it did that nobody took. Of what
    /// it wrote to its disk, that stays which is durable, and maybe some of what was written
    /// after that, in order, up to a point that is drawn.
    pub fn kill(&mut self, node: usize) {
        self.set_waiting(node, false);
        self.clear_alarm(node);
        let member = &mut self.members[node];
        member.node = None;
        member.paused = false;
        member.inbox.clear();
        member.disk.crash();
    }

    /// Whether a node runs, be it paused.
    pub fn is_running(&self, node: usize) -> bool {
        self.members[node].node.is_some()
    }

    /// Stops a node where it is: it has no turns, and what is delivered waits.
    pub fn pause(&mut self, node: usize) {
        self.members[node].paused = true;
        self.set_waiting(node, false);
        self.clear_alarm(node);
    }

    /// Lets a paused node go on: it gets what arrived meanwhile, in order, and then does what
    /// is overdue.
    pub fn resume(&mut self, now: Duration, node: usize) {
        let member = &mut self.members[node];
        member.paused = false;
        for line in std::mem::take(&mut member.inbox) {
            if let Some(running) = &mut member.node {
                running.handle(member.clock.at(now), &line);
            }
        }
        self.tick(now, node);
    }

    // Turns.

    /// Gives a node a line, without its line feed. One that does not run never gets it.
    pub fn deliver(&mut self, now: Duration, node: usize, line: &[u8]) {
        let member = &mut self.members[node];
        let Some(running) = &mut member.node else {
            return;
        };
        if member.paused {
            member.inbox.push_back(line.to_owned());
        } else {
            running.handle(member.clock.at(now), line);
            self.settle(now, node);
        }
    }

    /// Lets a node do what is due.
    pub fn tick(&mut self, now: Duration, node: usize) {
        self.clear_alarm(node);
        let member = &mut self.members[node];
        if member.paused {
            return;
        }
        member.disk.tell(now);
        let shown = member.clock.at(now);
        if let Some(running) = &mut member.node
            && running.deadline().is_some_and(|due| due <= shown)
        {
            running.tick(shown);
        }
        self.settle(now, node);
    }

    /// When the next [`tick`](Host::tick) is due, and whose it is. There may be nothing to do
    /// then.
    pub fn deadline(&self) -> Option<(Duration, usize)> {
        self.alarms.first().copied()
    }

    /// Takes what a node wants to be sent, as [`Node::swap_output`] does, without what waits
    /// for its disk: that is there after the [`tick`](Host::tick) that is due then.
    ///
    /// A node whose disk has failed is dead after this, and tells so in its log.
    pub fn swap_output(&mut self, now: Duration, node: usize, output: &mut Output) {
        let member = &mut self.members[node];
        // What a paused node wants done waits with it.
        let Some(running) = member.node.as_mut().filter(|_| !member.paused) else {
            return output.clear();
        };
        running.swap_output(output);
        let before = (member.disk.due(), member.disk.is_busy());
        match member.disk.pass(now, output) {
            Ok(()) if before == (member.disk.due(), member.disk.is_busy()) => {}
            Ok(()) => self.settle(now, node),
            Err(Failed) => {
                let text = "what was written cannot be made durable: the disk has failed; \
                            the node stops, and what waited for it is not sent";
                member.last_words.extend(running.take_log());
                member.last_words.push(Record {
                    level: Level::Warn,
                    text: text.to_owned(),
                });
                self.kill(node);
            }
        }
    }

    /// Takes what a node has to tell people.
    pub fn take_log(&mut self, node: usize) -> Vec<Record> {
        let member = &mut self.members[node];
        let mut records = std::mem::take(&mut member.last_words);
        records.extend(
            member
                .node
                .as_mut()
                .map(|node| node.take_log())
                .unwrap_or_default(),
        );
        records
    }

    // Disks.

    /// From its next sync on, a node's disk takes so long to make durable what was written
    /// before the sync began; no time at first.
    pub fn set_disk_latency(&mut self, node: usize, latency: Latency) {
        self.members[node].disk.latency = latency;
    }

    /// From now on, a node's disk is well, or not.
    pub fn set_disk_health(&mut self, node: usize, health: Health) {
        self.members[node].disk.health = health;
    }

    /// Empties the disk of a node; ends the node before, if it runs.
    pub fn wipe(&mut self, node: usize) {
        self.kill(node);
        self.members[node].disk.wipe();
    }

    /// What is on the disk of a node, and durable.
    pub fn disk(&self, node: usize) -> &Contents {
        self.members[node].disk.contents()
    }

    // Clocks.

    /// From `now` on, a node's clock goes `rate` times as fast as time. A clock outlives the
    /// node's death.
    ///
    /// # Panics
    /// As [`Clock::set_rate`].
    #[track_caller]
    pub fn skew(&mut self, now: Duration, node: usize, rate: f64) {
        self.members[node].clock.set_rate(now, rate);
        self.tick(now, node);
    }

    /// A node's clock leaps ahead by so much, and the node does what is due by it.
    pub fn leap(&mut self, now: Duration, node: usize, ahead: Duration) {
        self.members[node].clock.leap(now, ahead);
        self.tick(now, node);
    }

    // How things stand.

    /// Whether no node that runs has a handler, a task, an
    /// [`after`](crate::Context::after) or a write to the disk that waits. Those that are paused do not count.
    pub fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// The longest time in which a node that runs comes to each of its periodic functions.
    /// Those that are paused do not count.
    pub fn longest_period(&self) -> Duration {
        let running = self.members.iter().filter(|member| !member.paused);
        let periods = running.filter_map(|member| {
            let period = member.node.as_ref()?.longest_period();
            Some(member.clock.takes(period))
        });
        periods.max().unwrap_or_default()
    }

    /// Looks at the state of a node; `None` when it does not run or has not seen its `init`.
    ///
    /// # Panics
    /// When the node has another type of state.
    #[track_caller]
    pub fn state<S: 'static, R>(&self, node: usize, look: impl FnOnce(&S) -> R) -> Option<R> {
        let (mut look, mut seen, mut other) = (Some(look), None, false);
        self.members[node]
            .node
            .as_ref()?
            .state(&mut |state| match state.downcast_ref() {
                Some(state) => seen = look.take().map(|look| look(state)),
                None => other = true,
            });
        assert!(
            !other,
            "the state of {} is not a `{}`",
            self.names[node],
            type_name::<S>()
        );
        seen
    }

    /// Sets the alarm of a node that had its turn.
    fn settle(&mut self, now: Duration, node: usize) {
        let member = &mut self.members[node];
        let Some(running) = member.node.as_ref().filter(|_| !member.paused) else {
            return;
        };
        let waiting = !running.is_idle() || member.disk.is_busy();
        let turn = running.deadline().map(|due| member.clock.when(due));
        if let Some(due) = turn.into_iter().chain(member.disk.due()).min() {
            let due = due.max(now);
            // A later deadline is found when the alarm rings.
            if member.alarm.is_none_or(|alarm| due < alarm) {
                self.clear_alarm(node);
                self.members[node].alarm = Some(due);
                self.alarms.insert((due, node));
            }
        }
        self.set_waiting(node, waiting);
    }

    fn clear_alarm(&mut self, node: usize) {
        if let Some(alarm) = self.members[node].alarm.take() {
            self.alarms.remove(&(alarm, node));
        }
    }

    fn set_waiting(&mut self, node: usize, waiting: bool) {
        let before = std::mem::replace(&mut self.members[node].waiting, waiting);
        self.waiting += usize::from(waiting);
        self.waiting -= usize::from(before);
    }
}
