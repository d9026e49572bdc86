//! What a fault costs, and how soon after its end all hold all, in virtual
//! time: the runs of challenges 3c and 3d with a nemesis.

use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::{Cluster, Latency, What, check, ms, secs};

use crate::support::{Broadcast, Load, Read, State};

type Nodes = [String];

/// What strikes; which nodes it meets follows from their order.
type Fault = fn(&mut Cluster<State>, &Nodes);

/// Challenge 3c.
const FAST: (usize, f64, Latency) = (5, 10.0, Latency::constant(ms(0)));
/// Challenge 3d.
const SLOW: (usize, f64, Latency) = (25, 100.0, Latency::constant(ms(100)));

/// What a run came to.
struct Healing {
    /// Messages between nodes for each operation.
    per_op: f64,
    /// How long it took after the fault until all held all that had been
    /// broadcast before its end.
    agreed: Duration,
    /// Acknowledged values that nobody has, with their nodes.
    lost: Vec<(String, Duration)>,
    /// The first of the nodes, which some faults are about.
    victim: String,
    struck: Duration,
}

/// Ten seconds of calm, of a fault and of calm again, under load.
fn run(
    seed: u64,
    (nodes, rate, latency): (usize, f64, Latency),
    strike: Fault,
    end: Fault,
) -> Healing {
    let mut cluster = Cluster::with(nodes, |_| State::timed())
        .seed(seed)
        .latency(latency)
        .start();
    let rng = Rng::seeded(seed);
    let mut load = Load::new(rate, rng.next_u64());
    let mut names: Vec<String> = cluster.nodes().map(str::to_owned).collect();
    rng.shuffle(&mut names);
    load.run(&mut cluster, secs(10));
    let struck = cluster.now();
    strike(&mut cluster, &names);
    load.run(&mut cluster, secs(10));
    end(&mut cluster, &names);
    let ended = cluster.now();
    load.run(&mut cluster, secs(10));
    assert!(cluster.run_until_quiet(secs(100)), "it never ends");
    let operations = load.operations + nodes as u64;
    let per_op = cluster.traffic().servers.messages as f64 / operations as f64;
    let (last, lost) = load.all_got(&mut cluster, ended);
    let lost = lost.into_iter();
    let healing = Healing {
        per_op,
        agreed: last.saturating_sub(ended),
        lost: lost
            .map(|(node, value)| (format!("n{node}"), load.broadcasts[value as usize]))
            .collect(),
        victim: names.swap_remove(0),
        struck,
    };
    println!(
        "seed {seed}: {per_op:.2} messages per operation, agreed after {:?}, lost {:?}",
        healing.agreed, healing.lost
    );
    healing
}

/// Has a fault strike with many seeds; nothing may be lost.
fn each(setting: (usize, f64, Latency), strike: Fault, end: Fault, cost: f64, limit: Duration) {
    // A slow run takes as long as many fast ones.
    let seeds = if setting.0 > 10 { 4 } else { 30 };
    check(0..seeds, |seed| {
        let healing = run(seed, setting, strike, end);
        assert!(healing.lost.is_empty(), "{:?} is lost", healing.lost);
        assert!(healing.per_op <= cost, "{} messages", healing.per_op);
        assert!(healing.agreed <= limit, "agreed after {:?}", healing.agreed);
    });
}

fn one_apart(cluster: &mut Cluster<State>, nodes: &Nodes) {
    cluster.partition(&nodes[..1], &nodes[1..]);
}

fn halves(cluster: &mut Cluster<State>, nodes: &Nodes) {
    let (minority, majority) = nodes.split_at(nodes.len() / 2);
    cluster.partition(minority, majority);
}

/// Each node hears a majority, no two the same one.
fn ring(cluster: &mut Cluster<State>, nodes: &Nodes) {
    for (place, node) in nodes.iter().enumerate() {
        for (other, name) in nodes.iter().enumerate() {
            let apart = place.abs_diff(other);
            if apart.min(nodes.len() - apart) > nodes.len() / 4 {
                cluster.partition_one_way([name], [node]);
            }
        }
    }
}

fn heal(cluster: &mut Cluster<State>, _: &Nodes) {
    cluster.heal();
}

#[test]
fn a_partition_with_fast_links() {
    for partition in [one_apart, halves, ring] {
        each(FAST, partition, heal, 6.0, secs(2));
    }
}

#[test]
fn a_partition_with_slow_links_and_load() {
    for partition in [one_apart, halves, ring] {
        each(SLOW, partition, heal, 8.0, secs(3));
    }
}

#[test]
fn a_node_that_stands_still() {
    for setting in [FAST, SLOW] {
        let pause: Fault = |cluster, nodes| cluster.pause(&nodes[0]);
        let resume: Fault = |cluster, nodes| cluster.resume(&nodes[0]);
        each(setting, pause, resume, 4.0, secs(3));
    }
}

#[test]
fn a_tenth_of_all_messages_lost() {
    for setting in [FAST, SLOW] {
        let lossy: Fault = |cluster, _| cluster.set_loss(0.1);
        let reliable: Fault = |cluster, _| cluster.set_loss(0.0);
        each(setting, lossy, reliable, 4.0, secs(4));
    }
}

#[test]
fn half_of_all_messages_twice() {
    for setting in [FAST, SLOW] {
        let twice: Fault = |cluster, _| cluster.set_duplicate(0.5);
        let once: Fault = |cluster, _| cluster.set_duplicate(0.0);
        each(setting, twice, once, 3.0, ms(350));
    }
}

/// What a node acknowledged and had no time to pass on dies with it; nothing
/// else does.
#[test]
fn a_node_that_dies_and_comes_back() {
    for (setting, seeds) in [(FAST, 30), (SLOW, 4)] {
        check(0..seeds, |seed| {
            let healing = run(
                seed,
                setting,
                |cluster, nodes| cluster.crash(&nodes[0]),
                |cluster, nodes| cluster.restart(&nodes[0]),
            );
            for (node, sent) in &healing.lost {
                assert_eq!(*node, healing.victim);
                assert!(*sent + ms(400) > healing.struck, "sent at {sent:?}");
            }
            assert!(healing.per_op <= 4.0, "{} messages", healing.per_op);
            assert!(
                healing.agreed <= secs(3),
                "agreed after {:?}",
                healing.agreed
            );
        });
    }
}

/// Two halves that know much which the other lacks.
#[test]
fn a_long_partition_is_repaired_in_few_messages_of_bounded_size() {
    const NODES: usize = 25;
    const VALUES: u64 = 10_000;
    check(0..3, |seed| {
        let mut cluster = Cluster::<State>::new(NODES)
            .seed(seed)
            .latency(Latency::constant(ms(100)))
            .record_all()
            .start();
        let names: Vec<String> = cluster.nodes().map(str::to_owned).collect();
        halves(&mut cluster, &names);
        for message in 0..2 * VALUES {
            let side = message as usize % 2 * (NODES / 2);
            let place = side + message as usize / 2 % (NODES / 2);
            cluster.invoke(&names[place], Broadcast { message });
            cluster.run_for(Duration::from_micros(250));
        }
        cluster.run_for(secs(10));
        let healed = cluster.now();
        cluster.heal();
        assert!(cluster.run_until_quiet(secs(60)), "it never ends");
        for name in &names {
            assert_eq!(
                cluster.call(name, Read {}).unwrap().len() as u64,
                2 * VALUES
            );
        }
        let mut sizes: Vec<usize> = Vec::new();
        for entry in cluster.journal().entries() {
            if let What::Sent { line, .. } = &entry.what
                && entry.at >= healed
                && line.contains(r#""type":"spread""#)
            {
                sizes.push(line.len());
            }
        }
        let (count, longest) = (sizes.len(), sizes.iter().max().unwrap());
        println!("seed {seed}: {count} messages, the longest has {longest} bytes");
        assert!(count <= 12 * NODES, "{count} messages");
        assert!(*longest <= 32 * 1024, "{longest} bytes");
    });
}
