//! Nodes of this framework, in this process and in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::log::Level;
use glomer_runtime::sim::{Health, Host, Latency, Program};
use glomer_runtime::{Action as NodeAction, Output};

use super::turns::{Delivery, Turns};
use super::virtual_time::{Nodes, drive};
use crate::run::engine::Engine;
use crate::run::node_errors::NodeErrors;
use crate::run::plan::Plan;
use crate::run::problem::{Problem, ProblemKind};
use crate::run::{Run, Timing};

/// Runs nodes as planned. Each delivery to a node takes up to `turn_latency`; `program` says
/// what the node of a number runs.
///
/// The same plan gives the same run, as long as nodes take their random numbers and their
/// time from their context.
pub fn run(plan: Plan, turn_latency: Duration, program: impl Fn(usize) -> Program) -> Run {
    let names = plan.setting.nodes.iter().cloned().enumerate();
    // The engine draws from the seed itself.
    let seed = !plan.seed;
    let mut host = Host::new(seed, names.map(|(number, name)| (name, program(number))));
    host.set_log_level(Level::Error);
    for node in 0..plan.setting.nodes.len() {
        host.set_disk_latency(node, plan.disk_latency);
    }
    let mut nodes = InProcess {
        errors: vec![NodeErrors::default(); plan.setting.nodes.len()],
        host,
        turns: BTreeMap::new(),
        stopped: Vec::new(),
        output: Output::default(),
    };
    let mut engine = Engine::new(plan);
    let turns = drive(&mut engine, &mut Turns::new(seed, turn_latency), &mut nodes);
    let mut node_errors = NodeErrors::default();
    for errors in nodes.errors {
        node_errors.causes.extend(errors.causes);
        node_errors.others.extend(errors.others);
    }
    let timing = Timing::Virtual {
        turn_latency,
        turns,
        unrepeatable: None,
    };
    Run::of(engine, node_errors, timing)
}

struct InProcess {
    host: Host,
    /// The nodes that have a turn in the next round, and what was delivered to them.
    turns: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The nodes whose disks have failed in the last round.
    stopped: Vec<usize>,
    /// What each node reported as errors.
    errors: Vec<NodeErrors>,
    output: Output,
}

impl Nodes for InProcess {
    fn start(&mut self, _: Duration, node: usize) -> Result<(), ProblemKind> {
        self.host.start(node).map_err(|error| {
            let error = error.to_string();
            ProblemKind::NotStarted { error }
        })
    }

    fn kill(&mut self, node: usize) {
        self.host.kill(node);
        self.turns.remove(&node);
    }

    fn wipe(&mut self, node: usize) -> Result<(), ProblemKind> {
        self.host.wipe(node);
        Ok(())
    }

    fn pause(&mut self, node: usize) {
        self.host.pause(node);
    }

    fn resume(&mut self, now: Duration, node: usize) {
        self.host.resume(now, node);
        self.turns.entry(node).or_default();
    }

    fn skew(&mut self, now: Duration, node: usize, rate: f64) {
        self.host.skew(now, node, rate);
        self.turns.entry(node).or_default();
    }

    fn leap(&mut self, now: Duration, node: usize, ahead: Duration) {
        self.host.leap(now, node, ahead);
        self.turns.entry(node).or_default();
    }

    fn set_disk_health(&mut self, node: usize, health: Health) {
        self.host.set_disk_health(node, health);
    }

    fn set_disk_latency(&mut self, node: usize, latency: Latency) {
        self.host.set_disk_latency(node, latency);
    }

    fn stopped(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.stopped)
    }

    fn deliver(&mut self, _: Duration, dest: &str, delivery: &Delivery) {
        let mut line = Vec::new();
        delivery.write(&mut line, dest);
        line.pop();
        self.turns.entry(delivery.node).or_default().push(line);
    }

    fn deadline(&self) -> Option<Duration> {
        self.host.deadline().map(|(due, _)| due)
    }

    fn round(
        &mut self,
        now: Duration,
        sent: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<Vec<usize>, Box<Problem>> {
        while let Some((due, node)) = self.host.deadline()
            && due <= now
        {
            self.host.tick(now, node);
            self.turns.entry(node).or_default();
        }
        let turns = std::mem::take(&mut self.turns);
        let nodes = turns.keys().copied().collect();
        for (node, lines) in turns {
            for line in lines {
                self.host.deliver(now, node, &line);
            }
            self.settle(now, node, sent);
        }
        Ok(nodes)
    }

    fn log(&mut self, line: &str) {
        eprintln!("{line}");
    }

    fn warn(&mut self, _: &str) {}

    fn between_rounds(&mut self, _: Duration, _: &mut Engine) {}
}

impl InProcess {
    /// Carries away what a node has sent and told.
    fn settle(&mut self, now: Duration, node: usize, sent: &mut dyn FnMut(usize, &[u8])) {
        let was_running = self.host.is_running(node);
        self.host.swap_output(now, node, &mut self.output);
        if was_running && !self.host.is_running(node) {
            self.stopped.push(node);
        }
        for record in self.host.take_log(node) {
            let name = &self.host.names()[node];
            if record.level == Level::Error {
                self.errors[node].report(name, &record.text);
            } else {
                self.errors[node].note(name, &record.to_string());
            }
        }
        for action in self.output.actions() {
            match action {
                NodeAction::Send(batch) => {
                    for message in batch.messages() {
                        sent(node, message.line);
                    }
                }
                other => panic!("nodes in this process cannot do {other:?}"),
            }
        }
    }
}
