//! Nodes that start, and what everyone on the network says to whom.

use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::sim::{Address, Fate, Passage, Role};
use serde_json::{Value, json};

use super::{Action, Engine, NodeState, Phase, nanos};
use crate::edn::Edn;
use crate::run::clients::{Failure, Owner};
use crate::run::journal::EventKind;
use crate::run::problem::{NotAnAnswer, ProblemKind, excerpt};
use crate::run::wire;

/// How long a node may take to answer its `init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

impl Engine {
    pub(super) fn start_node(&mut self, now: Duration, node: usize) {
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
    pub(super) fn set_up_node(&mut self, now: Duration, node: usize) {
        let client = self.open(Owner::Setup(node));
        match self.traffic.setup() {
            Some(call) => self.request(now, client, node, call.body, self.traffic.timeout()),
            None => {
                self.clients.close(&mut self.network, client);
                self.unready.remove(&node);
            }
        }
    }

    pub(super) fn address(&self, node: usize) -> Address {
        // Nodes were the first on the network, in their order.
        self.network
            .lookup(&self.names[node])
            .expect("every node is on the network")
    }

    pub(super) fn open(&mut self, owner: Owner) -> Address {
        let address = self.clients.open(&mut self.network, owner);
        self.names.push(self.network.name(address).into());
        address
    }

    pub(super) fn request(
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

    pub(super) fn send(&mut self, now: Duration, src: Address, dest: Address, body: Arc<str>) {
        let id = self.network.send(now, src, dest, body.clone());
        self.in_flight += body.len();
        self.record(now, EventKind::Send, id, src, dest, &body);
    }

    pub(super) fn record(
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

    pub(super) fn arrived(&mut self, now: Duration, passage: Passage<Arc<str>>) {
        let Passage {
            id,
            src,
            dest,
            message: body,
            due,
            fate,
            ..
        } = passage;
        let kind = match fate {
            Fate::Delivered => EventKind::Recv,
            Fate::Dropped(_) => EventKind::Drop,
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
                let Some(owner) = self.clients.waiting(dest) else {
                    return;
                };
                let Ok(body) = Edn::from_json(&body) else {
                    return;
                };
                if self.clients.answered(dest, &body) {
                    self.answered(now, dest, owner, body);
                } else if let Owner::Init(node) = owner {
                    self.not_answers.insert(node, json_text(&body));
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

    pub(super) fn answered(&mut self, now: Duration, client: Address, owner: Owner, body: Edn) {
        match owner {
            Owner::Init(node) => {
                self.clients.close(&mut self.network, client);
                if body.get("type").and_then(Edn::name) != Some("init_ok") {
                    let answer = json_text(&body);
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
                    (true, _) => Some(format!("it answered {}", json_text(&body))),
                    (false, Some(call)) => match call.reply.check(&body) {
                        Ok(()) => None,
                        Err(problem) => {
                            Some(format!("it answered {}, but {problem}", json_text(&body)))
                        }
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

    pub(super) fn expired(&mut self, now: Duration, client: Address, owner: Owner) {
        match owner {
            Owner::Init(node) => {
                let instead = self.not_answers.remove(&node);
                let problem = ProblemKind::NoInit {
                    after: INIT_TIMEOUT,
                    instead: instead.map(|body| NotAnAnswer::NoReply { body }),
                };
                self.failed(node, problem);
            }
            Owner::Setup(node) => {
                self.clients.close(&mut self.network, client);
                let timeout = self.traffic.timeout();
                self.setup_failed(node, format!("there was no answer within {timeout:?}"));
            }
            Owner::Thread(thread) => self.gave_up(now, thread, &Failure::Timeout),
        }
    }

    pub(super) fn setup_failed(&mut self, node: usize, problem: String) {
        let call = self.traffic.setup();
        let request = call.map(|call| call.body["type"].as_str().unwrap_or_default().to_owned());
        let request = request.unwrap_or_default();
        self.failed(node, ProblemKind::SetupFailed { request, problem });
    }
}

/// Whether a body tells of an error.
pub(super) fn is_error(body: &Edn) -> bool {
    body.get("type").and_then(Edn::name) == Some("error")
}

/// A body as it was written, as far as it can be shown.
pub(super) fn json_text(body: &Edn) -> String {
    let text = serde_json::to_string(body).unwrap_or_else(|_| body.to_string());
    excerpt(text.as_bytes())
}
