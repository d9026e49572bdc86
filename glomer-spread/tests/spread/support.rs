//! A broadcast node that notes when it got each value, and the load of
//! Maelstrom's broadcast workload.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Cluster, Latency, Pending};
use glomer_spread::{News, Spread};

#[derive(Default)]
pub(crate) struct State {
    values: Spread<u64>,
    /// When each value was first there, in microseconds, if that is of interest.
    arrived: Option<BTreeMap<u64, u64>>,
    /// A part of all news that it does not hear, which breaks the algorithm.
    deaf_to: Option<&'static str>,
}

impl State {
    pub(crate) fn timed() -> Self {
        Self {
            arrived: Some(BTreeMap::new()),
            ..Self::default()
        }
    }

    pub(crate) fn deaf_to(deaf_to: Option<&'static str>) -> Self {
        Self {
            deaf_to,
            ..Self::default()
        }
    }

    fn note(&mut self, cx: &Context) {
        if let Some(arrived) = &mut self.arrived
            && self.values.len() > arrived.len()
        {
            let now = cx.now().as_micros() as u64;
            for value in self.values.iter() {
                arrived.entry(*value).or_insert(now);
            }
        }
    }
}

#[handler("init")]
pub(crate) fn init(state: &mut State, cx: &Context) {
    state.values.start(cx);
}

#[handler("broadcast")]
pub(crate) fn broadcast(state: &mut State, cx: &Context, message: u64) {
    state.values.insert(cx, message);
    state.note(cx);
}

#[handler("spread")]
pub(crate) fn hear(state: &mut State, cx: &Context, Body(news): Body<News<u64>>) {
    let news = match state.deaf_to {
        Some(part) => without(part, &news),
        None => news,
    };
    state.values.receive(cx, news);
    state.note(cx);
}

fn without(part: &str, news: &News<u64>) -> News<u64> {
    let mut fields = serde_json::to_value(news).unwrap();
    fields.as_object_mut().unwrap().remove(part);
    serde_json::from_value(fields).unwrap()
}

#[handler("read", reply = "messages")]
pub(crate) fn read(state: &State) -> Vec<u64> {
    state.values.iter().copied().collect()
}

#[handler("arrivals", reply = "arrived")]
pub(crate) fn arrivals(state: &State) -> BTreeMap<u64, u64> {
    state.arrived.clone().unwrap_or_default()
}

/// The load of a run: as Maelstrom, half of the operations are broadcasts and
/// half are reads, staggered around the rate, each at any node.
pub(crate) struct Load {
    pub(crate) rate: f64,
    rng: Rng,
    pub(crate) operations: u64,
    /// When each value was broadcast; the place in the list is the value.
    pub(crate) broadcasts: Vec<Duration>,
    requests: Vec<(usize, Pending<Broadcast>)>,
    /// When which node was read.
    reads: Vec<(Duration, usize)>,
}

impl Load {
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        Self {
            rate,
            rng: Rng::seeded(seed),
            operations: 0,
            broadcasts: Vec::new(),
            requests: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// Lets time pass under load.
    pub(crate) fn run(&mut self, cluster: &mut Cluster<State>, time: Duration) {
        let end = cluster.now() + time;
        loop {
            let gap = Duration::from_secs_f64(2.0 * self.rng.unit() / self.rate);
            if cluster.now() + gap >= end {
                let rest = end - cluster.now();
                return cluster.run_for(rest);
            }
            cluster.run_for(gap);
            self.operations += 1;
            if self.rng.chance(0.5) {
                self.broadcast(cluster);
            } else {
                let node = self.rng.below(cluster.nodes().len() as u64);
                self.reads.push((cluster.now(), node as usize));
            }
        }
    }

    pub(crate) fn broadcast(&mut self, cluster: &mut Cluster<State>) {
        let node = self.rng.below(cluster.nodes().len() as u64) as usize;
        let message = self.broadcasts.len() as u64;
        self.broadcasts.push(cluster.now());
        let pending = cluster.invoke(&format!("n{node}"), Broadcast { message });
        self.requests.push((node, pending));
    }

    /// When the last node got the last of the values sent before `time`; and
    /// which of them, with their nodes, were acknowledged but nobody has.
    pub(crate) fn all_got(
        &self,
        cluster: &mut Cluster<State>,
        time: Duration,
    ) -> (Duration, Vec<(usize, u64)>) {
        let arrivals = arrivals_everywhere(cluster);
        let sent = self.broadcasts.partition_point(|sent| *sent < time);
        let (mut last, mut lost) = (0, Vec::new());
        for (value, (node, request)) in self.requests[..sent].iter().enumerate() {
            let value = value as u64;
            let got = arrivals.iter().filter_map(|it| it.get(&value));
            match got.clone().count() {
                0 if cluster.result(*request).is_some_and(|it| it.is_ok()) => {
                    lost.push((*node, value));
                }
                0 => {}
                count => assert_eq!(count, arrivals.len(), "not all nodes have {value}"),
            }
            last = got.copied().fold(last, u64::max);
        }
        (Duration::from_micros(last), lost)
    }

    /// How long it took until each value was everywhere; and until the last
    /// read that missed it, which is what the `set-full` checker tells. In
    /// milliseconds, in order.
    pub(crate) fn latencies(&self, cluster: &mut Cluster<State>) -> (Vec<f64>, Vec<f64>) {
        let arrivals = arrivals_everywhere(cluster);
        let (mut everywhere, mut stable) = (Vec::new(), Vec::new());
        for (value, sent) in self.broadcasts.iter().enumerate() {
            let value = value as u64;
            let arrived = |node: usize| {
                let arrived = arrivals[node].get(&value);
                arrived.unwrap_or_else(|| panic!("n{node} never got {value}"))
            };
            let last = (0..arrivals.len()).map(arrived).max().unwrap();
            let missed =
                |(at, node): &&(Duration, usize)| at.as_micros() < (*arrived(*node)).into();
            let first_read = self.reads.partition_point(|(at, _)| at < sent);
            let last_read = self
                .reads
                .partition_point(|(at, _)| at.as_micros() < (*last).into());
            let reads = &self.reads[first_read..last_read];
            let last_miss = reads.iter().rfind(missed).map_or(*sent, |(at, _)| *at);
            // To the microsecond, as the nodes note it.
            everywhere.push(*last as f64 / 1e3 - sent.as_micros() as f64 / 1e3);
            stable.push((last_miss - *sent).as_secs_f64() * 1e3);
        }
        everywhere.sort_by(f64::total_cmp);
        stable.sort_by(f64::total_cmp);
        (everywhere, stable)
    }
}

fn arrivals_everywhere(cluster: &mut Cluster<State>) -> Vec<BTreeMap<u64, u64>> {
    let nodes: Vec<String> = cluster.nodes().map(str::to_owned).collect();
    let arrivals = |node: &String| cluster.call(node, Arrivals {}).unwrap();
    nodes.iter().map(arrivals).collect()
}

pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() as f64 * q) as usize).min(sorted.len() - 1)]
}

/// What a run cost and how fast it was.
#[derive(Default)]
pub(crate) struct Figures {
    /// Messages between nodes, and their bytes, for each operation.
    pub(crate) per_op: f64,
    pub(crate) bytes_per_op: f64,
    /// How many values were broadcast.
    pub(crate) values: f64,
    pub(crate) operations: f64,
    /// How long it took until a value was everywhere, in milliseconds.
    pub(crate) median: f64,
    pub(crate) max: f64,
    /// The same as the `set-full` checker measures it, in the median.
    pub(crate) stable: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} messages and {:.0} bytes per operation; everywhere after {:.1} ms in the \
             median, {:.1} ms at most; read after {:.1} ms in the median",
            self.per_op, self.bytes_per_op, self.median, self.max, self.stable
        )
    }
}

/// A run as Maelstrom does it: load, then 10 s of recovery, then a read by each client.
pub(crate) fn measure(
    nodes: usize,
    rate: f64,
    latency: Latency,
    seed: u64,
    time: Duration,
) -> Figures {
    let mut cluster = Cluster::with(nodes, |_| State::timed())
        .seed(seed)
        .latency(latency)
        .start();
    let mut load = Load::new(rate, seed ^ 0x10ad);
    cluster.run_for(Duration::from_millis(200));
    load.run(&mut cluster, time);
    let quiet = cluster.run_until_quiet(Duration::from_secs(60));
    assert!(quiet, "seed {seed}: it never ends");
    let (everywhere, stable) = load.latencies(&mut cluster);
    let servers = cluster.traffic().servers;
    let operations = (load.operations + nodes as u64) as f64;
    Figures {
        per_op: servers.messages as f64 / operations,
        bytes_per_op: servers.bytes as f64 / operations,
        values: load.broadcasts.len() as f64,
        operations,
        median: quantile(&everywhere, 0.5),
        max: quantile(&everywhere, 1.0),
        stable: quantile(&stable, 0.5),
    }
}
