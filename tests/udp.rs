//! A driver of one's own, on the public API alone: nodes on the loopback
//! interface, a datagram a message.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Barrier};
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use glomer_runtime::prelude::*;
use glomer_runtime::{Action, Node, Output};
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    values: BTreeSet<u64>,
}

#[handler("add")]
fn add(state: &mut State, value: u64) {
    state.values.insert(value);
}

/// Tells all it knows, so that nothing depends on the arrival of one datagram.
#[every("5ms")]
fn gossip(state: &mut State, cx: &Context) {
    for peer in cx.peers() {
        for value in &state.values {
            cx.send(peer, Add { value: *value });
        }
    }
}

/// Answers when the node holds so many values.
#[handler("holds", reply = "values")]
async fn holds(state: &Shared<State>, cx: &Context, count: usize) -> BTreeSet<u64> {
    loop {
        let values = state.with(|state| state.values.clone());
        if values.len() >= count {
            return values;
        }
        cx.sleep(Duration::from_millis(1)).await;
    }
}

/// Asks all others the same.
#[handler("all_hold")]
async fn all_hold(_: &Shared<State>, cx: &Context, count: usize) -> Result<(), Error> {
    for peer in cx.peers() {
        cx.rpc(peer, Holds { count }).timeout(PATIENCE).await?;
    }
    Ok(())
}

/// A node that does nothing by itself.
struct Quiet(Arc<Barrier>);

#[handler("count", reply = "count")]
fn count(gate: &Quiet) -> usize {
    Arc::strong_count(&gate.0)
}

/// Waits for a thread that waits for the test.
#[handler("elsewhere")]
async fn elsewhere(gate: &Shared<Quiet>) -> Result<(), Error> {
    let (sender, receiver) = oneshot::channel();
    let gate = gate.with(|gate| gate.0.clone());
    thread::spawn(move || {
        gate.wait();
        sender.send(()).expect("the node waits");
    });
    let gone = |_| Error::crash("the thread has panicked");
    receiver.await.map_err(gone)
}

/// Far more than it takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

type Addresses = BTreeMap<String, SocketAddr>;

/// Wakes a driver with a line that says nothing.
struct Knock {
    socket: UdpSocket,
    at: SocketAddr,
}

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.socket.send_to(b"\n", self.at).unwrap();
    }
}

/// Drives a node until an empty datagram comes.
fn drive<S>(mut node: Node<S>, socket: &UdpSocket, addresses: &Addresses) -> io::Result<()> {
    let knock = Knock {
        socket: socket.try_clone()?,
        at: socket.local_addr()?,
    };
    node.set_waker(Arc::new(knock).into());
    let mut output = Output::default();
    let mut datagram = [0; 64 * 1024];
    let started = Instant::now();
    loop {
        let now = started.elapsed();
        if node.deadline().is_some_and(|due| due <= now) {
            node.tick(now);
        }
        carry(&mut node, &mut output, socket, addresses)?;
        let rest = node.deadline().map(|due| due.saturating_sub(now));
        // No time at all would be no timeout.
        socket.set_read_timeout(rest.map(|rest| rest.max(Duration::from_micros(1))))?;
        match socket.recv(&mut datagram) {
            Ok(0) => {
                node.finish(started.elapsed());
                return carry(&mut node, &mut output, socket, addresses);
            }
            Ok(length) => node.handle(started.elapsed(), &datagram[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

fn carry<S>(
    node: &mut Node<S>,
    output: &mut Output,
    socket: &UdpSocket,
    addresses: &Addresses,
) -> io::Result<()> {
    node.swap_output(output);
    for record in node.take_log() {
        eprintln!("{record}");
    }
    for action in output.actions() {
        match action {
            Action::Send(batch) => {
                for message in batch.messages() {
                    socket.send_to(message.line, addresses[message.dest])?;
                }
            }
            unknown => panic!("this driver cannot do {unknown:?}"),
        }
    }
    Ok(())
}

struct Client {
    socket: UdpSocket,
    addresses: Addresses,
    msg_id: u64,
}

impl Client {
    /// Asks a node, and waits for the body of the answer.
    fn call(&mut self, node: &str, body: Value) -> Value {
        self.ask(node, body);
        let answer = self.answer();
        assert_eq!(answer["in_reply_to"], self.msg_id, "{answer}");
        answer
    }

    fn ask(&mut self, node: &str, mut body: Value) {
        self.msg_id += 1;
        body["msg_id"] = self.msg_id.into();
        let line = json!({"src": "c1", "dest": node, "body": body}).to_string();
        let address = self.addresses[node];
        self.socket.send_to(line.as_bytes(), address).unwrap();
    }

    /// The body of the next answer.
    fn answer(&self) -> Value {
        let mut datagram = [0; 64 * 1024];
        let length = self.socket.recv(&mut datagram).expect("an answer in time");
        let mut answer: Value = serde_json::from_slice(&datagram[..length]).unwrap();
        answer["body"].take()
    }
}

impl Drop for Client {
    /// Ends the nodes, also when the test has failed.
    fn drop(&mut self) {
        for address in self.addresses.values() {
            let _ = self.socket.send_to(&[], address);
        }
    }
}

#[test]
fn nodes_talk_over_udp() {
    let names = ["n0", "n1", "n2"];
    let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
    let sockets = names.map(|_| bind());
    let socket = bind();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut addresses = Addresses::new();
    addresses.insert("c1".into(), socket.local_addr().unwrap());
    for (name, socket) in names.iter().zip(&sockets) {
        addresses.insert((*name).into(), socket.local_addr().unwrap());
    }
    let client = Client {
        socket,
        addresses: addresses.clone(),
        msg_id: 0,
    };
    thread::scope(|scope| {
        // Dropped here, whatever happens: it ends the nodes that the scope waits for.
        let mut client = client;
        for (seed, socket) in sockets.iter().enumerate() {
            let addresses = &addresses;
            scope.spawn(move || {
                let node = Node::<State>::new(seed as u64).expect("the handlers are in order");
                drive(node, socket, addresses).unwrap();
            });
        }
        for name in names {
            let init = json!({"type": "init", "node_id": name, "node_ids": names});
            assert_eq!(client.call(name, init)["type"], "init_ok");
        }
        for (value, name) in names.iter().enumerate() {
            let add = json!({"type": "add", "value": value});
            assert_eq!(client.call(name, add)["type"], "add_ok");
        }
        // Waiting handlers, rpc, sleep and periodic functions at once.
        let answer = client.call("n0", json!({"type": "all_hold", "count": names.len()}));
        assert_eq!(answer["type"], "all_hold_ok", "{answer}");
        let answer = client.call("n2", json!({"type": "holds", "count": names.len()}));
        assert_eq!(answer["values"], json!([0, 1, 2]));
    });
}

#[test]
fn a_thread_wakes_a_node_that_nobody_talks_to() {
    let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
    let (socket, node_socket) = (bind(), bind());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut addresses = Addresses::new();
    addresses.insert("c1".into(), socket.local_addr().unwrap());
    addresses.insert("n0".into(), node_socket.local_addr().unwrap());
    let client = Client {
        socket,
        addresses: addresses.clone(),
        msg_id: 0,
    };
    let gate = Arc::new(Barrier::new(2));
    thread::scope(|scope| {
        let mut client = client;
        scope.spawn(|| {
            let gate = gate.clone();
            let node = Node::with(0, move |_| Quiet(gate.clone())).unwrap();
            drive(node, &node_socket, &addresses).unwrap();
        });
        let init = json!({"type": "init", "node_id": "n0", "node_ids": ["n0"]});
        assert_eq!(client.call("n0", init)["type"], "init_ok");
        client.ask("n0", json!({"type": "elsewhere"}));
        // Once this is answered the node has nothing to do but to wait.
        client.call("n0", json!({"type": "count"}));
        gate.wait();
        assert_eq!(client.answer()["type"], "elsewhere_ok");
    });
}
