//! What the nemesis does to network and nodes.

use std::time::Duration;

use glomer_runtime::sim::{Health, Latency};

use super::{Action, Engine, NodeState, Phase};
use crate::edn::Edn;
use crate::history::{Op, OpType, Process};
use crate::run::nemesis::{Effect, Step, told};

/// What befalls messages on their way to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Links {
    /// The nodes from which none arrives.
    pub cut: Vec<String>,
    /// How likely one is lost that is not from a client.
    pub loss: f64,
    /// How likely one arrives twice.
    pub duplicate: f64,
    /// How long one takes.
    pub latency: Latency,
}

impl Engine {
    /// What is to befall messages on their way to a node now, for a drive whose nodes talk over a
    /// network of their own.
    pub fn links(&self, node: usize) -> Links {
        let dest = self.address(node);
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        let cut = others.filter(|other| self.network.is_blocked(self.address(*other), dest));
        Links {
            cut: cut.map(|other| self.names[other].to_string()).collect(),
            loss: self.network.loss(),
            duplicate: self.network.duplicate(),
            latency: self.network.latency(),
        }
    }

    pub(super) fn strike(&mut self, now: Duration, step: Step) {
        let name = step.fault.name().to_owned();
        let (f, strike) = (step.f(), step.strike);
        if matches!(self.phase, Phase::Main) {
            let at = now.saturating_sub(self.origin.unwrap_or_default());
            if step.begins {
                self.schedule.began(&name, at, &strike);
            } else {
                self.schedule.ended(&name, at);
            }
        }
        let done = strike.done;
        let done = done.or_else(|| told(&strike.effects, &self.plan.setting.nodes));
        let op = Op::new(OpType::Info, Process::Nemesis, f, strike.value);
        self.push(now, op.clone());
        if !step.begins {
            self.faults.retain(|on| *on != name);
        } else if !strike.effects.is_empty() && !self.faults.contains(&name) {
            self.faults.push(name.clone());
        }
        let mut became = Vec::new();
        for effect in strike.effects {
            if let Some((node, what)) = self.inflict(now, &name, effect) {
                let name = Edn::from(&*self.names[node]);
                // The last that was done to a node is what became of it.
                became.retain(|(other, _)| *other != name);
                became.push((name, Edn::kw(what)));
            }
        }
        let completion = Op {
            value: done.unwrap_or(Edn::Map(became)),
            ..op
        };
        if self.unready.is_empty() {
            self.push(now, completion);
        } else {
            self.striking = Some(completion);
        }
    }

    /// Takes note that a node has stopped because its disk has failed.
    pub fn disk_failed(&mut self, node: usize) {
        self.is_down(node);
        self.hits.stopped += 1;
        // It may have been about to start.
        if self.unready.remove(&node) {
            self.clients.close_starting(&mut self.network, node);
        }
    }

    fn is_down(&mut self, node: usize) {
        self.nodes[node] = NodeState::Down;
        self.network.take_down(self.address(node));
    }

    fn kill(&mut self, node: usize) {
        self.is_down(node);
        self.actions.push(Action::Kill(node));
        self.hits.killed += 1;
        self.hits.killed_at_work += u64::from(self.clients.wait_for(node));
    }

    /// Does what a fault wants; gives what became of the node, if it is about one.
    fn inflict(
        &mut self,
        now: Duration,
        fault: &str,
        effect: Effect,
    ) -> Option<(usize, &'static str)> {
        match effect {
            Effect::Partition(grudge) => {
                for (node, others) in &grudge {
                    for other in others {
                        let (src, dest) = (self.address(*other), self.address(*node));
                        self.network.block(src, dest);
                    }
                }
                self.grudges.push((fault.to_owned(), grudge));
            }
            Effect::Heal => {
                self.network.heal();
                let grudges = std::mem::take(&mut self.grudges);
                for (other, grudge) in grudges.into_iter().filter(|(by, _)| by != fault) {
                    self.inflict(now, &other, Effect::Partition(grudge));
                }
            }
            Effect::Kill(node) => {
                if self.nodes[node] == NodeState::Down {
                    return Some((node, "already-dead"));
                }
                self.kill(node);
                return Some((node, "killed"));
            }
            Effect::Wipe(node) => {
                if self.nodes[node] != NodeState::Down {
                    self.kill(node);
                }
                self.actions.push(Action::Wipe(node));
                self.hits.wiped += 1;
                return Some((node, "wiped"));
            }
            Effect::Start(node) => {
                if self.nodes[node] != NodeState::Down {
                    return Some((node, "already-running"));
                }
                self.start_node(now, node);
                return Some((node, "started"));
            }
            Effect::Pause(node) => {
                if self.nodes[node] == NodeState::Down {
                    return Some((node, "already-dead"));
                }
                self.nodes[node] = NodeState::Paused;
                self.actions.push(Action::Pause(node));
                self.hits.paused += 1;
                return Some((node, "paused"));
            }
            Effect::Resume(node) => {
                if self.nodes[node] != NodeState::Paused {
                    return Some((node, "not-paused"));
                }
                self.nodes[node] = NodeState::Up;
                self.actions.push(Action::Resume(node));
                return Some((node, "resumed"));
            }
            Effect::Loss(p) => self.network.set_loss(p),
            Effect::Duplicate(p) => self.network.set_duplicate(p),
            Effect::Latency(latency) => self.network.set_latency(latency),
            Effect::Slow(factor) => self.network.slow(factor),
            Effect::Rate(node, rate) => {
                self.hits.skewed += u64::from(rate != 1.0);
                self.actions.push(Action::Rate(node, rate));
            }
            Effect::Leap(node, ahead) => {
                self.hits.skewed += 1;
                self.actions.push(Action::Leap(node, ahead));
            }
            Effect::DiskHealth(node, health) => {
                self.actions.push(Action::DiskHealth(node, health));
                let what = match health {
                    Health::Failing => "failing",
                    Health::Lying => "lying",
                    _ => return Some((node, "well")),
                };
                self.hits.disks += 1;
                return Some((node, what));
            }
            Effect::DiskLatency(node, latency) => {
                self.hits.disks += u64::from(latency != self.plan.disk_latency);
                self.actions.push(Action::DiskLatency(node, latency));
            }
        }
        None
    }
}
