//! Nodes that start, and what everyone on the network says to whom.

use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::{Address, Fate, Passage, Role};
use serde_json::json;

use super::{Action, Engine, NodeState, Phase, nanos};
use crate::edn::Edn;
use crate::run::clients::Owner;
use crate::run::journal::EventKind;
use crate::run::problem::{NotAnAnswer, ProblemKind, excerpt};
use crate::run::wire;
use crate::workload::client::{Incoming, Request};
use crate::workload::erased::SetUp;

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
        let request = Request {
            number: 0,
            node,
            body: init,
        };
        self.request(now, client, request, INIT_TIMEOUT);
    }

    /// Sets a node up as the workload wants it.
    pub(super) fn set_up_node(&mut self, now: Duration, node: usize) {
        let client = self.open(Owner::Setup(node));
        let set_up = self.traffic.set_up(node);
        self.set_up_goes_on(now, client, node, set_up, None);
    }

    fn set_up_goes_on(
        &mut self,
        now: Duration,
        client: Address,
        node: usize,
        set_up: SetUp,
        last: Option<&Edn>,
    ) {
        match set_up {
            SetUp::Ask(requests) => {
                for request in requests {
                    let kind = request.body["type"].as_str().unwrap_or_default();
                    kind.clone_into(&mut self.set_up_with[node]);
                    self.request(now, client, request, self.traffic.timeout());
                }
            }
            SetUp::Done => {
                self.clients.close(&mut self.network, client);
                self.unready.remove(&node);
            }
            SetUp::Failed(problem) => {
                self.clients.close(&mut self.network, client);
                self.setup_failed(
                    node,
                    match last {
                        None => problem,
                        Some(body) if is_error(body) => {
                            format!("it answered {}", json_text(body))
                        }
                        Some(body) => {
                            format!("it answered {}, but {problem}", json_text(body))
                        }
                    },
                );
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
        request: Request,
        timeout: Duration,
    ) {
        let Request {
            number,
            node,
            mut body,
        } = request;
        self.clients
            .request(client, number, node, &mut body, now + timeout);
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
            Fate::Dropped(why) => EventKind::Drop(why),
        };
        self.in_flight = self.in_flight.saturating_sub(body.len());
        self.record(now, kind, id, src, dest, &body);
        if fate != Fate::Delivered {
            return;
        }
        match self.network.role(dest) {
            Role::Server => self.actions.push(Action::Deliver {
                node: dest.index(),
                id,
                src: self.names[src.index()].clone(),
                body,
                due,
                lane: self.lane(src),
            }),
            Role::Client => {
                let Some(owner) = self.clients.waiting(dest) else {
                    return;
                };
                let Ok(read) = Edn::from_json(&body) else {
                    return;
                };
                if let Some(number) = self.clients.answered(dest, &read) {
                    let answer = Incoming {
                        from: self.names[src.index()].clone(),
                        text: body,
                        body: read,
                    };
                    self.answered(now, dest, owner, number, answer);
                } else if let Owner::Init(node) = owner {
                    self.not_answers.insert(node, json_text(&read));
                }
            }
            Role::Service => {
                let name = self.names[src.index()].clone();
                let rng = self.service_rngs.entry((dest, src));
                let rng = rng.or_insert_with(|| {
                    Rng::named(self.service_seed, &[&self.names[dest.index()], &name])
                });
                let service = self.services.get_mut(&dest);
                let answer = service.and_then(|it| it.answer(now, &name, &body, rng));
                if let Some(answer) = answer {
                    self.send(now, dest, src, answer.into());
                }
            }
        }
    }

    /// Where a message comes from, by a name that does not depend on what else happens.
    fn lane(&self, src: Address) -> Arc<str> {
        let nodes = self.nodes.len();
        match self.clients.owner(src) {
            Some(Owner::Thread(thread)) => {
                let (round, node) = (thread / nodes, &self.names[thread % nodes]);
                format!("client {round} of {node}").into()
            }
            Some(Owner::Init(_) | Owner::Setup(_)) => "init".into(),
            None => self.names[src.index()].clone(),
        }
    }

    fn answered(
        &mut self,
        now: Duration,
        client: Address,
        owner: Owner,
        number: u64,
        answer: Incoming,
    ) {
        match owner {
            Owner::Init(node) => {
                self.clients.close(&mut self.network, client);
                if answer.body.get("type").and_then(Edn::name) != Some("init_ok") {
                    let answer = json_text(&answer.body);
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
                let set_up =
                    self.traffic
                        .set_up_answered(node, number, answer.clone().into_result());
                self.set_up_goes_on(now, client, node, set_up, Some(&answer.body));
            }
            Owner::Thread(thread) => self.went_on(now, thread, number, answer),
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
            Owner::Thread(thread) => self.gave_up(now, thread),
        }
    }

    fn setup_failed(&mut self, node: usize, problem: String) {
        let request = self.set_up_with[node].clone();
        self.failed(node, ProblemKind::SetupFailed { request, problem });
    }
}

/// Whether a body tells of an error.
pub(crate) fn is_error(body: &Edn) -> bool {
    body.get("type").and_then(Edn::name) == Some("error")
}

/// A body as it was written, as far as it can be shown.
pub(crate) fn json_text(body: &Edn) -> String {
    let text = serde_json::to_string(body).unwrap_or_else(|_| body.to_string());
    excerpt(text.as_bytes())
}
