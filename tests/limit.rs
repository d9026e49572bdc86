//! Broadcast at the limit: the workbench runs the broadcast node in virtual time, as Maelstrom
//! runs it in real time, and its checker tells what that cost and how long it took.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use glomer_runtime::Node;
use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};
use glomer_workbench::run::engine::{Action, Engine};
use glomer_workbench::run::nemesis::{Duplicate, Faults, Kill, Loss, Partition, Pause};
use glomer_workbench::run::plan::Plan;
use glomer_workbench::workload::{AnyWorkload, Broadcast};

#[allow(dead_code)]
#[path = "../broadcast/src/main.rs"]
mod broadcast;

/// A node, and whether it stands still.
struct Member {
    node: Option<Node<broadcast::State>>,
    is_paused: bool,
    unread: Vec<String>,
}

/// The nodes of a run, which take no time.
struct Members(Vec<Member>);

impl Members {
    fn act(&mut self, now: Duration, action: Action, engine: &Engine) {
        match action {
            Action::Spawn(node) => {
                let seed = now.as_nanos() as u64 + node as u64;
                self.0[node].node = Some(Node::new(seed).unwrap());
            }
            Action::Deliver {
                node,
                id,
                src,
                body,
                ..
            } => {
                let dest = engine.node_name(node);
                self.0[node].unread.push(format!(
                    r#"{{"id":{id},"src":"{src}","dest":"{dest}","body":{body}}}"#
                ));
            }
            Action::Kill(node) => {
                self.0[node].node = None;
                self.0[node].unread.clear();
            }
            Action::Pause(node) => self.0[node].is_paused = true,
            Action::Resume(node) => self.0[node].is_paused = false,
            Action::Log(_) => {}
            Action::Rate(..) | Action::Leap(..) => unreachable!("no clock is turned here"),
            Action::Warn(text) => panic!("{text}"),
        }
    }

    /// Lets all nodes do what they have to, and says whether any had.
    fn run(&mut self, now: Duration, engine: &mut Engine) -> bool {
        let mut busy = false;
        for (number, member) in self.0.iter_mut().enumerate() {
            let Some(node) = member.node.as_mut().filter(|_| !member.is_paused) else {
                continue;
            };
            if node.deadline().is_some_and(|due| due <= now) {
                node.tick(now);
            }
            for line in member.unread.drain(..) {
                node.handle(now, line.as_bytes());
            }
            for message in node.take_output().messages() {
                busy = true;
                engine.line(now, number, message.line);
            }
        }
        busy
    }

    fn deadline(&self) -> Option<Duration> {
        let running = self.0.iter().filter(|member| !member.is_paused);
        let nodes = running.filter_map(|member| member.node.as_ref());
        nodes.filter_map(Node::deadline).min()
    }
}

/// What came of a run.
struct Figures {
    per_op: f64,
    /// The stable latency, in milliseconds.
    median: i64,
    max: i64,
    /// How long after the end of a fault a read missed a value that was acknowledged before it.
    disagreed: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            per_op,
            median,
            max,
            disagreed,
        } = self;
        write!(
            f,
            "{per_op:.2} messages an operation, stable after {median} ms in the median and \
             {max} ms at most, agreed {disagreed:?} after faults"
        )
    }
}

fn plan(nodes: usize, rate: u32, latency: Latency, seed: u64) -> Plan {
    Plan {
        seed,
        interval: Some(secs(1) / rate),
        time_limit: secs(20),
        latency,
        ..Plan::new(Broadcast::default(), nodes)
    }
}

/// Challenge 3b.
fn small(seed: u64) -> Plan {
    plan(5, 10, Latency::default(), seed)
}

/// Challenges 3d and 3e.
fn large(seed: u64) -> Plan {
    plan(25, 100, Latency::constant(ms(100)), seed)
}

fn with(faults: impl Into<Faults>, plan: Plan) -> Plan {
    Plan {
        faults: faults.into(),
        time_limit: secs(40),
        ..plan
    }
}

fn run(plan: Plan) -> Figures {
    let seed = plan.seed;
    let idle = || Member {
        node: None,
        is_paused: false,
        unread: Vec::new(),
    };
    let mut members = Members(plan.setting.nodes.iter().map(|_| idle()).collect());
    let setting = plan.setting.clone();
    let mut engine = Engine::new(plan);
    let mut now = Duration::ZERO;
    engine.start(now);
    while !engine.is_over() {
        engine.tick(now);
        let actions = engine.actions();
        let mut busy = !actions.is_empty();
        for action in actions {
            members.act(now, action, &engine);
        }
        busy |= members.run(now, &mut engine);
        if !busy && !engine.is_over() {
            let next = engine.deadline().into_iter().chain(members.deadline());
            now = next.min().expect("a run waits for something until it ends");
        }
    }
    let (history, journal, problem) = engine.finish();
    assert_eq!(problem, None, "seed {seed}");
    let results = AnyWorkload::new(Broadcast::default())
        .check(&setting, &history)
        .to_edn(&history);
    let is = |key: &str| results.get(key).cloned().unwrap_or_default();
    assert_eq!(is("valid?"), Edn::Bool(true), "seed {seed}: {results}");
    let operations = history.client_ops().filter(|op| op.kind == OpType::Invoke);
    let latencies = is("stable-latencies");
    let quantile = |wanted: Edn| {
        let mut quantiles = latencies.as_map().unwrap().iter();
        let found = quantiles.find(|(quantile, _)| *quantile == wanted);
        found.and_then(|(_, latency)| latency.as_int()).unwrap()
    };
    let figures = Figures {
        per_op: journal.servers().sent as f64 / operations.count() as f64,
        median: quantile(Edn::Float(0.5)),
        max: quantile(Edn::Int(1)),
        disagreed: disagreement(&history),
    };
    println!("seed {seed}: {figures}");
    figures
}

/// How long after the end of a fault, and before the next one, a read missed a value that was
/// acknowledged before that end.
fn disagreement(history: &History) -> Duration {
    let ops = &history.0;
    let is_fault = |op: &&Op| op.process == Process::Nemesis && op.kind == OpType::Info;
    let ends = |op: &&Op| op.f.starts_with("stop") || op.f == "start" || op.f == "resume";
    let mut longest = 0;
    for end in ops.iter().filter(is_fault).filter(ends) {
        let mut later = ops.iter().filter(|op| op.time > end.time);
        let next = later.find(|op| is_fault(op) && !ends(op));
        let until = next.map_or(i64::MAX, |op| op.time);
        let known: BTreeSet<i64> = ops
            .iter()
            .filter(|op| op.kind == OpType::Ok && op.f == "broadcast" && op.time < end.time)
            .filter_map(|op| op.value.as_int())
            .collect();
        for (place, read) in ops.iter().enumerate() {
            if read.kind != OpType::Ok || read.f != "read" {
                continue;
            }
            let mut before = ops[..place].iter().rev();
            let invocation = before.find(|op| op.process == read.process).unwrap();
            let values = read.value.as_seq().unwrap_or_default().iter();
            let values: BTreeSet<i64> = values.filter_map(Edn::as_int).collect();
            if (end.time..until).contains(&invocation.time) && !known.is_subset(&values) {
                longest = longest.max(invocation.time - end.time);
            }
        }
    }
    Duration::from_nanos(longest.unsigned_abs())
}

#[test]
fn small_and_fast() {
    for seed in 0..5 {
        let figures = run(small(seed));
        assert!(figures.per_op <= 2.8, "{figures}");
        assert_eq!(figures.max, 0, "{figures}");
    }
}

#[test]
fn large_and_slow() {
    for seed in 0..5 {
        let figures = run(large(seed));
        assert!(figures.per_op <= 2.0, "{figures}");
        assert!(figures.median <= 260 && figures.max <= 350, "{figures}");
    }
}

#[test]
fn large_with_latencies_of_all_lengths() {
    for seed in 0..3 {
        let latency = Latency::exponential(ms(100));
        let figures = run(Plan {
            latency,
            ..large(seed)
        });
        assert!(figures.per_op <= 4.0, "{figures}");
        assert!(figures.median <= 500, "{figures}");
    }
}

#[test]
fn small_and_partitioned() {
    for seed in 0..5 {
        let figures = run(with(Partition, small(seed)));
        assert!(figures.per_op <= 6.0, "{figures}");
        assert!(figures.disagreed <= secs(2), "{figures}");
    }
}

#[test]
fn large_and_partitioned() {
    for seed in 0..3 {
        let figures = run(with(Partition, large(seed)));
        assert!(figures.per_op <= 8.0, "{figures}");
        assert!(figures.disagreed <= secs(3), "{figures}");
    }
}

#[test]
fn large_with_every_other_fault() {
    // The nemesis of this seed never kills all nodes at once, with which everything would be lost.
    let figures = run(with(Kill, large(1)));
    assert!(figures.disagreed <= secs(3), "{figures}");
    for fault in [Faults::from(Pause), Loss.into(), Duplicate.into()] {
        let plan = Plan {
            p_loss: Some(0.1),
            ..with(fault.clone(), large(1))
        };
        let figures = run(plan);
        assert!(figures.disagreed <= secs(3), "{fault:?}: {figures}");
    }
}
