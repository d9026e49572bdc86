//! The carriers of a cluster, who obey.

use std::time::Duration;

use async_nats::{Client, Request as Ask};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::carrier::Presence;
use crate::control::{Entry, Faults, Life, Reply, Request};
use crate::{Cluster, Name, Result};

/// How long a carrier has to obey.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a node has to answer its `init`, a little less than the engine waits for it.
const START: Duration = Duration::from_secs(9);

/// How often a node that starts is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// All carriers of a cluster.
#[derive(Clone)]
pub(super) struct Carriers {
    client: Client,
    cluster: Cluster,
}

impl Carriers {
    pub(super) fn new(client: Client, cluster: Cluster) -> Carriers {
        Carriers { client, cluster }
    }

    /// The nodes of the cluster.
    pub(super) async fn nodes(&self) -> Result<Vec<String>> {
        let request = Ask::new().timeout(Some(PATIENCE));
        let answer = self.client.send_request(self.cluster.presence(), request);
        let answer = answer.await.map_err(|error| {
            let name = self.cluster.name();
            format!(
                "nobody carries a node of the cluster {name} ({error}): start its nodes with \
                 `glomer-nats node --cluster {name} …`, or name another with --cluster"
            )
        })?;
        let presence: Presence = serde_json::from_slice(&answer.payload)?;
        Ok(presence.nodes)
    }

    async fn ask(&self, node: &Name, request: &Request) -> Result<Reply> {
        let ask = Ask::new()
            .payload(serde_json::to_vec(request)?.into())
            .timeout(Some(PATIENCE));
        let subject = self.cluster.control(node);
        let answer = self.client.send_request(subject, ask).await;
        let answer =
            answer.map_err(|error| format!("the carrier of {node} does not answer: {error}"))?;
        match serde_json::from_slice(&answer.payload)? {
            Reply::Refused { text } => Err(text.into()),
            reply => Ok(reply),
        }
    }

    /// Ends a node, so that it begins anew, and has its carrier note what becomes of messages.
    /// Whether it has a disk, which stays as it is.
    pub(super) async fn stop(&self, node: &Name, for_ms: u64) -> Result<bool> {
        self.ask(node, &Request::Kill { for_ms }).await?;
        self.ask(node, &Request::StartJournal).await?;
        let status = self.ask(node, &Request::Status).await?;
        Ok(matches!(status, Reply::Status(status) if status.disk))
    }

    /// Waits until a node runs and has answered its `init`.
    async fn ready(&self, node: &Name) -> Result<()> {
        let until = Instant::now() + START;
        while let Reply::Status(status) = self.ask(node, &Request::Status).await? {
            if status.life == Life::Ready {
                break;
            }
            if Instant::now() > until {
                return Err(format!("it is {:?} after {START:?}", status.life).into());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends what breaks a node, and what watches it.
    pub(super) async fn leave(&self, node: &Name) {
        let requests = [
            Request::Faults(Faults::default()),
            Request::Resume,
            Request::Start,
            Request::StopJournal,
        ];
        for request in requests {
            // It may be gone, or have nothing to end.
            let _ = self.ask(node, &request).await;
        }
    }

    /// What a node's journal has.
    pub(super) async fn journal(&self, node: &Name) -> Result<(Vec<Entry>, u64)> {
        let (mut entries, mut lost, mut from) = (Vec::new(), 0, 0);
        loop {
            let reply = self.ask(node, &Request::ReadJournal { from }).await?;
            let Reply::Journal(page) = reply else {
                return Err("it answers something else than a journal".into());
            };
            lost += page.lost;
            from = page.next;
            if page.entries.is_empty() {
                return Ok((entries, lost));
            }
            entries.extend(page.entries);
        }
    }
}

/// What is to be done to a node, in this order.
#[derive(Debug)]
pub(super) enum Order {
    /// Ask its carrier this.
    Ask(Request),
    /// See that it runs, for whoever asks with this `msg_id`.
    Start { client: String, msg_id: u64 },
}

/// How a node did.
#[derive(Debug)]
pub(super) enum Told {
    /// It runs.
    Started {
        node: usize,
        client: String,
        msg_id: u64,
    },
    /// An order was not obeyed.
    Failed { node: usize, error: String },
}

/// Has a node obey, order by order.
pub(super) async fn obey(
    carriers: Carriers,
    (number, node): (usize, Name),
    mut orders: mpsc::UnboundedReceiver<Order>,
    told: mpsc::UnboundedSender<Told>,
) {
    while let Some(order) = orders.recv().await {
        let done = match order {
            Order::Ask(request) => carriers.ask(&node, &request).await.map(|_| None),
            Order::Start { client, msg_id } => {
                let started = carriers.ready(&node).await;
                started.map(|()| Some((client, msg_id)))
            }
        };
        let news = match done {
            Ok(None) => continue,
            Ok(Some((client, msg_id))) => Told::Started {
                node: number,
                client,
                msg_id,
            },
            Err(error) => Told::Failed {
                node: number,
                error: error.to_string(),
            },
        };
        // The run may be over.
        let _ = told.send(news);
    }
}
