//! Virtual time: rounds instead of a clock, whoever has the nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use glomer_runtime::sim::{Health, Latency};

use super::turns::{Delivery, Turns};
use crate::run::engine::{Action, Engine};
use crate::run::problem::{Problem, ProblemKind};

/// How many rounds there may be at one moment before it is clear that there is no end to it.
const ROUNDS_AT_ONCE: u32 = 10_000;

/// Nodes in virtual time. They go by their numbers, and have turns in rounds; between rounds
/// they do nothing.
///
/// A node's turn is: it takes its time, does what is due, handles what was delivered since its
/// last turn, in order, and sends what it has to send.
pub(super) trait Nodes {
    /// Starts a node that does not run.
    ///
    /// # Errors
    /// If it does not start.
    fn start(&mut self, now: Duration, node: usize) -> Result<(), ProblemKind>;

    /// Ends a node, with all that was delivered to it.
    fn kill(&mut self, node: usize);

    /// Empties the disk of a node that does not run.
    ///
    /// # Errors
    /// If that fails.
    fn wipe(&mut self, node: usize) -> Result<(), ProblemKind>;

    /// Gives a node no more turns.
    fn pause(&mut self, node: usize);

    /// Gives a paused node turns again.
    fn resume(&mut self, now: Duration, node: usize);

    /// From now on, lets a node's clock go so many times as fast as time.
    fn skew(&mut self, now: Duration, node: usize, rate: f64);

    /// Lets a node's clock leap ahead.
    fn leap(&mut self, now: Duration, node: usize, ahead: Duration);

    /// From now on, a node's disk is well, or not.
    fn set_disk_health(&mut self, node: usize, health: Health);

    /// From now on, a node's disk takes so long.
    fn set_disk_latency(&mut self, node: usize, latency: Latency);

    /// Takes the nodes that have stopped in the last round because their disks failed.
    fn stopped(&mut self) -> Vec<usize>;

    /// Delivers a message with a node's next turn. One that does not run never gets it.
    fn deliver(&mut self, now: Duration, dest: &str, delivery: &Delivery);

    /// When a node is due for a turn, whatever is delivered.
    fn deadline(&self) -> Option<Duration>;

    /// Gives turns to all nodes that are due or to which something was delivered, and hands
    /// over what they send, the first node's first. Which nodes had turns.
    ///
    /// # Errors
    /// If a node does not do its turn.
    fn round(
        &mut self,
        now: Duration,
        sent: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<Vec<usize>, Box<Problem>>;

    /// Tells whoever watches a line that the user asked for.
    fn log(&mut self, line: &str);

    /// Tells whoever watches a line that the user should know of; the run has them all.
    fn warn(&mut self, text: &str);

    /// Looks after what happens outside of the run, such as whether the user has had enough.
    fn between_rounds(&mut self, now: Duration, engine: &mut Engine);
}

/// Runs an engine with these nodes from its start to its end. How many turns they had.
pub(super) fn drive(engine: &mut Engine, turns: &mut Turns, nodes: &mut impl Nodes) -> u64 {
    let (mut now, mut rounds, mut given) = (Duration::ZERO, 0, 0);
    // The nodes that have turns when there is no end to them.
    let mut busy = BTreeSet::new();
    engine.start(now);
    loop {
        engine.tick(now);
        for action in engine.actions() {
            act(engine, turns, nodes, now, action);
        }
        // What arrives in the last moment arrives in time.
        while let Some(delivery) = turns.next(now) {
            nodes.deliver(now, engine.node_name(delivery.node), &delivery);
        }
        let done = nodes.round(now, &mut |node, line| engine.line(now, node, line));
        match done {
            Ok(nodes) => {
                given += nodes.len() as u64;
                if rounds > ROUNDS_AT_ONCE / 2 {
                    busy.extend(nodes);
                }
            }
            Err(problem) => engine.stop(*problem),
        }
        for node in nodes.stopped() {
            engine.disk_failed(node);
            turns.forget(node);
        }
        if engine.is_over() {
            return given;
        }
        nodes.between_rounds(now, engine);
        let deadlines = [engine.deadline(), turns.deadline(), nodes.deadline()];
        let next = deadlines.into_iter().flatten().min();
        // Without one, nothing would ever end the run; an interruption has.
        let next = next.unwrap_or(now);
        if next > now {
            (now, rounds) = (next, 0);
            busy.clear();
        } else {
            rounds += 1;
        }
        if rounds > ROUNDS_AT_ONCE {
            let names = busy.iter().map(|node| engine.node_name(*node).to_owned());
            let problem = Problem::stands_still(names.collect());
            engine.stop(problem);
        }
    }
}

/// Does what the engine wants.
fn act(
    engine: &mut Engine,
    turns: &mut Turns,
    nodes: &mut impl Nodes,
    now: Duration,
    action: Action,
) {
    match action {
        Action::Spawn(node) => {
            if let Err(problem) = nodes.start(now, node) {
                engine.failed(node, problem);
            }
        }
        Action::Deliver {
            node,
            id,
            src,
            body,
            lane,
            ..
        } => {
            let delivery = Delivery {
                node,
                id,
                src,
                body,
            };
            turns.arrive(now, lane, engine.node_name(node), delivery);
        }
        Action::Kill(node) => {
            nodes.kill(node);
            turns.forget(node);
        }
        Action::Wipe(node) => {
            if let Err(problem) = nodes.wipe(node) {
                engine.failed(node, problem);
            }
        }
        Action::Pause(node) => nodes.pause(node),
        Action::Resume(node) => nodes.resume(now, node),
        Action::Rate(node, rate) => nodes.skew(now, node, rate),
        Action::Leap(node, ahead) => nodes.leap(now, node, ahead),
        Action::DiskHealth(node, health) => nodes.set_disk_health(node, health),
        Action::DiskLatency(node, latency) => nodes.set_disk_latency(node, latency),
        Action::Log(line) => nodes.log(&line),
        Action::Warn(text) => nodes.warn(&text),
    }
}
