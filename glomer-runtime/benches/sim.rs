//! What simulating costs: `cargo bench -p glomer-runtime --bench sim`.
//!
//! The `item/s` are messages (in `start`, nodes), from sending to handling.

use divan::Bencher;
use divan::counter::ItemsCount;
use glomer_runtime::Rng;
use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Cluster, Latency, Network, Role, ms, secs};
use std::collections::BTreeSet;

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [5, 50, 500, 5_000];

/// A node that sends a number to a random peer, 100 times a second.
#[derive(Default)]
struct Chatter {
    heard: u64,
}

#[handler("chat")]
fn chat(state: &mut Chatter, number: u64) {
    state.heard = state.heard.wrapping_add(number);
}

#[every("10ms")]
fn talk(state: &mut Chatter, cx: &Context) {
    let peers = cx.node_ids();
    let peer = cx.rng().below(peers.len() as u64) as usize;
    let number = state.heard;
    cx.send(&peers[peer], Chat { number });
}

/// The same number of messages among ever more nodes.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn messages(bencher: Bencher, nodes: usize) {
    const MESSAGES: usize = 500_000;
    let latency = Latency::exponential(ms(100));
    let mut cluster = Cluster::<Chatter>::new(nodes).latency(latency).start();
    cluster.run_for(secs(1));
    let time = ms(10) * (MESSAGES / nodes) as u32;
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .bench_local(|| cluster.run_for(time));
}

/// From nothing to a cluster whose nodes have all answered `init`.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn start(bencher: Bencher, nodes: usize) {
    bencher
        .counter(ItemsCount::new(nodes))
        .bench_local(|| Cluster::<Chatter>::new(nodes).start());
}

#[derive(Default)]
struct Flood {
    values: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(state: &mut Flood, cx: &Context, message: u64) {
    if state.values.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(state: &Flood) -> BTreeSet<u64> {
    state.values.clone()
}

/// 20 seconds of Maelstrom's broadcast workload at rate 100 on 25 nodes with links of 100 ms,
/// each node sending each value to all others: 600 messages between nodes for each value.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn broadcast_on_25_nodes_for_20_seconds(bencher: Bencher) {
    let run = || {
        let latency = Latency::constant(ms(100));
        let mut cluster = Cluster::<Flood>::new(25).latency(latency).start();
        for operation in 0..2_000 {
            let node = format!("n{}", operation * 7 % 25);
            match operation % 2 {
                0 => drop(cluster.invoke(&node, Broadcast { message: operation })),
                _ => drop(cluster.invoke(&node, Read {})),
            }
            cluster.run_for(ms(10));
        }
        assert!(cluster.run_until_quiet(secs(10)));
        cluster.traffic()
    };
    let traffic = run();
    assert_eq!(traffic.servers.messages, 600_000);
    let messages = traffic.servers.messages + traffic.clients.messages;
    bencher.counter(ItemsCount::new(messages)).bench_local(run);
}

/// The network without nodes, with 10,000 messages in flight.
#[divan::bench(args = ["constant", "exponential"], sample_count = 5, sample_size = 1)]
fn network(bencher: Bencher, shape: &str) {
    const MESSAGES: u64 = 1_000_000;
    let latency = match shape {
        "constant" => Latency::constant(ms(10)),
        _ => Latency::exponential(ms(10)),
    };
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let mut net = Network::new(latency, Rng::seeded(42));
        let nodes: Vec<_> = (0..25)
            .map(|i| net.add(&format!("n{i}"), Role::Server))
            .collect();
        let mut delivered = 0;
        for i in 0..MESSAGES {
            let now = std::time::Duration::from_micros(i);
            net.send(now, nodes[i as usize % 25], nodes[i as usize * 7 % 25], i);
            while net.poll(now).is_some() {
                delivered += 1;
            }
        }
        delivered
    });
}
