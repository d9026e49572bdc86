//! Nodes of this framework, in this process and in virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use glomer_runtime::log::Level;
use glomer_runtime::sim::{Host, Program};
use glomer_runtime::{Action as NodeAction, Output};

use super::turns::{Delivery, Turns};
use crate::run::engine::{Action, Engine};
use crate::run::node_errors::NodeErrors;
use crate::run::plan::Plan;
use crate::run::problem::{Problem, ProblemKind};
use crate::run::{Run, Timing, wire};

/// How often nodes and network may have their turns at one moment before it is clear that
/// there is no end to it.
const ROUNDS_AT_ONCE: u32 = 10_000;

/// Runs nodes as planned. Each delivery to a node takes up to `turn_latency`; `program` says
/// what the node of a number runs.
///
/// The same plan gives the same run, as long as nodes take their random numbers and their
/// time from their context.
pub fn run(plan: Plan, turn_latency: Duration, program: impl Fn(usize) -> Program) -> Run {
    let names = plan.setting.nodes.iter().cloned().enumerate();
    // The engine draws from the seed itself.
    let mut host = Host::new(
        !plan.seed,
        names.map(|(number, name)| (name, program(number))),
    );
    host.set_log_level(Level::Error);
    let mut drive = Drive {
        turns: Turns::new(!plan.seed, turn_latency),
        errors: vec![NodeErrors::default(); plan.setting.nodes.len()],
        engine: Engine::new(plan),
        host,
        busy: BTreeSet::new(),
        line: Vec::new(),
        output: Output::default(),
    };
    drive.engine.start(Duration::ZERO);
    drive.drive();
    let mut node_errors = NodeErrors::default();
    for errors in drive.errors {
        node_errors.causes.extend(errors.causes);
    }
    let startup = drive.engine.origin().unwrap_or_default();
    let warnings = drive.engine.warnings().to_vec();
    let (history, journal, problem) = drive.engine.finish();
    Run {
        history,
        journal,
        warnings,
        node_errors,
        problem,
        timing: Timing::Virtual { turn_latency },
        startup,
    }
}

struct Drive {
    host: Host,
    turns: Turns,
    engine: Engine,
    /// What each node reported as errors.
    errors: Vec<NodeErrors>,
    /// The nodes that wrote anything at this moment.
    busy: BTreeSet<usize>,
    line: Vec<u8>,
    output: Output,
}

impl Drive {
    fn drive(&mut self) {
        let (mut now, mut rounds) = (Duration::ZERO, 0);
        loop {
            self.engine.tick(now);
            for action in self.engine.actions() {
                self.act(now, action);
            }
            // What arrives in the last moment arrives in time.
            while let Some(delivery) = self.turns.next(now) {
                self.deliver(now, &delivery);
            }
            while let Some((due, node)) = self.host.deadline()
                && due <= now
            {
                self.host.tick(now, node);
                self.settle(now, node);
            }
            if self.engine.is_over() {
                return;
            }
            let nodes = self.host.deadline().map(|(due, _)| due);
            let deadlines = [self.engine.deadline(), self.turns.deadline(), nodes];
            let next = deadlines.into_iter().flatten().min();
            let next = next.expect("a run waits for something until it ends");
            if next > now {
                (now, rounds) = (next, 0);
                self.busy.clear();
            } else {
                rounds += 1;
            }
            if rounds > ROUNDS_AT_ONCE {
                let busy = std::mem::take(&mut self.busy).into_iter();
                let nodes = busy.map(|node| self.engine.node_name(node).to_owned());
                let problem = Problem::stands_still(nodes.collect());
                self.engine.stop(problem);
            }
        }
    }

    /// Does what the engine wants.
    fn act(&mut self, now: Duration, action: Action) {
        match action {
            Action::Spawn(node) => {
                if let Err(error) = self.host.start(node) {
                    let error = error.to_string();
                    self.engine.failed(node, ProblemKind::NotStarted { error });
                }
            }
            Action::Deliver {
                node,
                id,
                src,
                body,
                ..
            } => self.turns.arrive(now, node, id, src, body),
            Action::Kill(node) => {
                self.host.kill(node);
                self.turns.forget(node);
            }
            Action::Pause(node) => self.host.pause(node),
            Action::Resume(node) => {
                self.host.resume(now, node);
                self.settle(now, node);
            }
            Action::Rate(node, rate) => {
                self.host.skew(now, node, rate);
                self.settle(now, node);
            }
            Action::Leap(node, ahead) => {
                self.host.leap(now, node, ahead);
                self.settle(now, node);
            }
            Action::Log(line) => eprintln!("{line}"),
            // The run has them all.
            Action::Warn(_) => {}
        }
    }

    fn deliver(&mut self, now: Duration, delivery: &Delivery) {
        let Delivery {
            node,
            id,
            src,
            body,
            ..
        } = delivery;
        self.line.clear();
        let dest = self.engine.node_name(*node);
        wire::write(&mut self.line, *id, src, dest, body);
        self.host.deliver(now, *node, self.line.trim_ascii_end());
        self.settle(now, *node);
    }

    /// Carries away what a node has sent and told.
    fn settle(&mut self, now: Duration, node: usize) {
        for record in self.host.take_log(node) {
            let name = self.engine.node_name(node);
            self.errors[node].report(name, &record.text);
        }
        self.host.swap_output(node, &mut self.output);
        for action in self.output.actions() {
            match action {
                NodeAction::Send(batch) => {
                    self.busy.insert(node);
                    for message in batch.messages() {
                        self.engine.line(now, node, message.line);
                    }
                }
                other => panic!("nodes in this process cannot do {other:?}"),
            }
        }
    }
}
