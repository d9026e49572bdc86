//! What is asked of the carrier itself.

use std::time::Duration;

use async_nats::Message;

use super::journal::Journal;
use super::{Carrier, Order, faults, outbound};
use crate::control::{Reply, Request, Status};

impl Carrier {
    /// Takes a request to the carrier itself, and answers it. What it wants done to the node is
    /// to be done before anything else.
    pub(crate) fn ask(&mut self, now: Duration, message: Message) -> Option<Order> {
        let reply = message.reply?;
        let (answer, order) = match serde_json::from_slice(&message.payload) {
            Ok(request) => self.obey(now, request),
            Err(error) => {
                let text = format!("this is no request to a carrier: {error}");
                (Reply::Refused { text }, None)
            }
        };
        let payload = serde_json::to_vec(&answer).expect("replies are JSON");
        self.push(outbound(reply, payload));
        order
    }

    fn obey(&mut self, now: Duration, request: Request) -> (Reply, Option<Order>) {
        let is_fault = matches!(
            request,
            Request::Faults(_) | Request::Pause { .. } | Request::Kill { .. }
        );
        if is_fault && !self.obeys_faults {
            let text = format!(
                "the carrier of {} was started with --no-faults, and breaks nothing",
                self.identity.id
            );
            return (Reply::Refused { text }, None);
        }
        let order = match request {
            Request::Status => {
                let status = Status {
                    id: self.presence.id.clone(),
                    nodes: self.presence.nodes.clone(),
                    life: self.life,
                    restarts: self.metrics.restarts.get(),
                    disk: self.node_has_disk,
                };
                return (Reply::Status(status), None);
            }
            Request::ReadJournal { from } => {
                let Some(journal) = &self.journal else {
                    let text = "it keeps no journal; ask it to with `start_journal`".to_owned();
                    return (Reply::Refused { text }, None);
                };
                // The rest is for what is around the messages.
                return (
                    Reply::Journal(journal.page(from, self.max_payload / 2)),
                    None,
                );
            }
            Request::StartJournal => {
                self.journal = Some(Journal::default());
                None
            }
            Request::StopJournal => {
                self.journal = None;
                None
            }
            Request::Faults(faults) => {
                if self.links.set(now, faults) {
                    tracing::info!("links of {} are {}, as asked", self.identity.id, self.links);
                }
                None
            }
            Request::Pause { for_ms } => {
                self.paused_until = Some(faults::end(now, for_ms));
                Some(Order::Pause)
            }
            Request::Kill { for_ms } => {
                self.killed_until = Some(faults::end(now, for_ms));
                Some(Order::Kill)
            }
            Request::Resume => self.paused_until.take().map(|_| Order::Resume),
            Request::Start => self.killed_until.take().map(|_| Order::Start),
        };
        if let Some(order) = order {
            tracing::info!("asked to {order:?} {}", self.identity.id);
        }
        (Reply::Done, order)
    }
}
