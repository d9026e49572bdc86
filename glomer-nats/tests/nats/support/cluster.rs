//! A cluster of carriers, and a client of it.

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use glomer_nats::Cluster;
use glomer_nats::control::{Reply, Request};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{PATIENCE, Running, Server};

/// The node in Python.
pub(crate) const PLAIN: [&str; 2] = [
    "python3",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nats/nodes/plain.py"),
];

/// Starts the carrier of a node; `more` goes before the program.
pub(crate) fn carrier(
    server: &Server,
    id: &str,
    nodes: &str,
    more: &[&str],
    program: &[&str],
) -> Running {
    let url = server.url();
    let mut args = vec!["node", "--server", &url, "--cluster", "test", "--id", id];
    args.extend(["--nodes", nodes]);
    args.extend(more);
    args.push("--");
    args.extend(program);
    Running::start(&args)
}

/// Starts the carriers of these nodes, and waits until they are ready.
pub(crate) fn carriers(server: &Server, nodes: &[&str], program: &[&str]) -> Vec<Running> {
    let list = nodes.join(",");
    let start = |id: &&str| carrier(server, id, &list, &[], program);
    let carriers: Vec<_> = nodes.iter().map(start).collect();
    for (carrier, id) in carriers.iter().zip(nodes) {
        carrier.tells(&format!("{id} is ready"));
    }
    carriers
}

/// A client, which is no part of the project: it publishes and subscribes.
pub(crate) struct Asker {
    runtime: Runtime,
    client: Client,
    cluster: Cluster,
}

impl Asker {
    pub(crate) fn new(server: &Server) -> Self {
        let runtime = Runtime::new().unwrap();
        Self {
            client: runtime.block_on(async_nats::connect(server.url())).unwrap(),
            runtime,
            cluster: Cluster::new("test".parse().unwrap()),
        }
    }

    /// Sends a body, and waits for that of the answer.
    pub(crate) fn call(&self, node: &str, body: &Value) -> Value {
        self.call_bytes(node, &body.to_string())
    }

    /// Sends bytes where a body should be.
    pub(crate) fn call_bytes(&self, node: &str, bytes: &str) -> Value {
        let answer = self.ask(self.cluster.node(node).unwrap(), bytes.to_owned());
        serde_json::from_slice(&answer).unwrap()
    }

    /// Sends a body so often, does something once the server has all of them, and waits for as
    /// many answers.
    pub(crate) fn call_all(&self, node: &str, body: &Value, times: usize, then: impl FnOnce()) {
        let subject = self.cluster.node(node).unwrap();
        let body = Bytes::from(body.to_string());
        let inbox = self.client.new_inbox();
        self.runtime.block_on(async {
            let mut answers = self.client.subscribe(inbox.clone()).await.unwrap();
            for _ in 0..times {
                let (subject, inbox) = (subject.clone(), inbox.clone());
                let asked = self.client.publish_with_reply(subject, inbox, body.clone());
                asked.await.unwrap();
            }
            // What is sent to oneself comes back once the server has all that was sent before.
            self.client.publish(inbox, "back".into()).await.unwrap();
            assert_eq!(answers.next().await.unwrap().payload, "back");
            then();
            let answers = answers.take(times).collect::<Vec<_>>();
            let answers = timeout(PATIENCE, answers).await.expect("an answer to each");
            for answer in answers {
                assert!(!answer.payload.is_empty(), "nobody was there");
            }
        });
    }

    /// Asks a carrier.
    pub(crate) fn control(&self, node: &str, request: &Request) -> Reply {
        let subject = self.cluster.control(&node.parse().unwrap());
        let request = serde_json::to_string(request).unwrap();
        serde_json::from_slice(&self.ask(subject, request)).unwrap()
    }

    /// The same, of a node that may not be reached: the answer, if one comes.
    pub(crate) fn try_call(&self, node: &str, body: &Value) -> Option<Value> {
        let answer = self.try_ask(self.cluster.node(node).unwrap(), body.to_string())?;
        Some(serde_json::from_slice(&answer).unwrap())
    }

    /// Sends a message as a client that listens where nodes do, so often, and waits for no answer.
    pub(crate) fn send(&self, node: &str, body: &Value, times: usize) {
        let subject = self.cluster.node(node).unwrap();
        let message = json!({"src": "c1", "dest": node, "body": body});
        let message = Bytes::from(message.to_string());
        for _ in 0..times {
            let sent = self.client.publish(subject.clone(), message.clone());
            self.runtime.block_on(sent).unwrap();
        }
    }

    fn ask(&self, subject: String, payload: String) -> Vec<u8> {
        self.try_ask(subject, payload).expect("an answer")
    }

    fn try_ask(&self, subject: String, payload: String) -> Option<Vec<u8>> {
        let asked = self.client.request(subject, payload.into());
        let answer = self.runtime.block_on(asked).ok()?;
        Some(answer.payload.into())
    }
}
