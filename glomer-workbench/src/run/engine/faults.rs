//! What the nemesis does to network and nodes.

use std::time::Duration;

use glomer_runtime::sim::Latency;

use super::{Action, Engine, NodeState};
use crate::edn::Edn;
use crate::history::{Op, OpType, Process};
use crate::run::grudge::Grudge;
use crate::run::nemesis::{Effect, Fault, Strike};

/// The loss that the nemesis brings when `--p-loss` says nothing: that of Maelstrom's
/// `flaky!`.
const NEMESIS_LOSS: f64 = 0.5;
/// The duplication that the nemesis brings when `--p-duplicate` says nothing.
const NEMESIS_DUPLICATE: f64 = 0.5;
/// How much longer messages take on a slow network: as in Maelstrom's `slow!`.
const SLOW_FACTOR: f64 = 10.0;
/// The latency of a slow network whose messages otherwise take no time.
const SLOW_LATENCY: Duration = Duration::from_millis(100);

impl Engine {
    pub(super) fn strike(&mut self, now: Duration, strike: Strike) {
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
    pub(super) fn inflict(&mut self, now: Duration, effect: Effect) -> Edn {
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
                let how_much = match instant {
                    true => ("latency-ms", Edn::from(SLOW_LATENCY.as_millis() as u64)),
                    false => ("factor", SLOW_FACTOR.into()),
                };
                self.switch(Fault::Slow, on, Edn::map([how_much]))
            }
        }
    }

    pub(super) fn switch(&mut self, fault: Fault, on: bool, how_much: Edn) -> Edn {
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

    pub(super) fn change(
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

    pub(super) fn grudge(&self, grudge: &Grudge) -> Edn {
        let name = |node: &usize| Edn::from(&*self.names[*node]);
        let entries = grudge.iter().map(|(node, others)| {
            let others = others.iter().map(name).collect();
            (name(node), Edn::Set(others))
        });
        Edn::Map(entries.collect())
    }
}
