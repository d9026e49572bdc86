use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{self, Cluster, Latency, check, ms, secs};

#[path = "faults.rs"]
mod faults;
use faults::{ALL, Fault, Faults, NETWORK};

const KEYS: u64 = 5;

/// A transaction of a client, as it was answered.
struct Done {
    node: String,
    asked: Vec<MicroOperation>,
    answered: Vec<MicroOperation>,
}

fn done(operation: &sim::Operation) -> Option<Done> {
    Some(Done {
        node: operation.node.to_string(),
        asked: operation.request::<Txn>()?.txn,
        answered: operation.reply::<Txn>()?.ok()?,
    })
}

/// Some reads and some writes of values that nobody else writes.
fn random_txn(rng: &mut Rng, next: &mut u64) -> Txn {
    let mut txn = Vec::new();
    for _ in 0..rng.range(1..5) {
        let key = rng.below(KEYS);
        txn.push(if rng.chance(0.5) {
            (Kind::Read, key, None)
        } else {
            *next += 1;
            (Kind::Write, key, Some(*next))
        });
    }
    Txn { txn }
}

/// Runs transactions under faults. All are answered at once, whatever happens.
fn storm(seed: u64, kinds: &'static [Fault]) -> Cluster<State> {
    let mut cluster = Cluster::<State>::new(3)
        .seed(seed)
        .latency(Latency::exponential(ms(20)))
        .start();
    let mut faults = Faults::new(seed, kinds);
    let mut rng = Rng::seeded(seed);
    let mut next = 0;
    for _ in 0..250 {
        faults.stir(&mut cluster);
        let node = faults.node(&cluster);
        if faults.runs(&node) {
            let asked = cluster.now();
            cluster
                .call(&node, random_txn(&mut rng, &mut next))
                .unwrap();
            assert_eq!(cluster.now(), asked, "the answer waited for something");
        }
        cluster.run_for(ms(rng.below(40)));
    }
    faults.end(&mut cluster);
    cluster
}

/// Which transaction wrote a value, and whether that was its last word on the key.
type Writers = BTreeMap<u64, (usize, bool)>;

fn writers(history: &[Done]) -> Writers {
    let mut writers = Writers::new();
    for (number, txn) in history.iter().enumerate() {
        let mut last = BTreeMap::new();
        for (kind, key, value) in &txn.answered {
            if let (Kind::Write, Some(value)) = (kind, value) {
                if let Some(earlier) = last.insert(key, value) {
                    writers.insert(*earlier, (number, false));
                }
                writers.insert(*value, (number, true));
            }
        }
    }
    writers
}

/// No reads of what was never written (G1a) or was overwritten by the same
/// transaction (G1b), and each transaction sees its own writes.
fn check_reads(history: &[Done], writers: &Writers) {
    for (number, txn) in history.iter().enumerate() {
        let mut own = BTreeMap::new();
        assert_eq!(txn.asked.len(), txn.answered.len());
        for (asked, answered) in txn.asked.iter().zip(&txn.answered) {
            let (kind, key, value) = answered;
            assert_eq!((asked.0, asked.1), (*kind, *key));
            match kind {
                Kind::Write => {
                    assert_eq!(asked.2, *value);
                    own.insert(key, *value);
                }
                Kind::Read => match (own.get(key), value) {
                    (Some(own), value) => assert_eq!(own, value, "its own write"),
                    (None, None) => {}
                    (None, Some(value)) => {
                        let Some((writer, last)) = writers.get(value) else {
                            panic!("{value} was never written, and read by {answered:?}");
                        };
                        assert!(last, "{value} is intermediate, and read by {answered:?}");
                        assert_ne!(*writer, number);
                    }
                },
            }
        }
    }
}

/// No dirty writes (G0) and no circular information flow (G1c): an order of the
/// transactions in which everyone comes after those whose writes it read, and
/// the writers of a register come in the order in which each node has seen its
/// values. (The values that a node has of a register only ever get later.)
fn check_order(history: &[Done], writers: &Writers) {
    let mut after = vec![BTreeSet::new(); history.len()];
    let mut seen: BTreeMap<(&str, Key), usize> = BTreeMap::new();
    for (number, txn) in history.iter().enumerate() {
        for (kind, key, value) in &txn.answered {
            let Some((writer, true)) = value.and_then(|value| writers.get(&value)) else {
                continue;
            };
            if *kind == Kind::Read && *writer != number {
                after[*writer].insert(number);
            }
            if let Some(before) = seen.insert((&txn.node, *key), *writer)
                && before != *writer
            {
                after[before].insert(*writer);
            }
        }
    }
    let mut earlier = vec![0; history.len()];
    for number in after.iter().flatten() {
        earlier[*number] += 1;
    }
    let mut free: Vec<usize> = (0..earlier.len())
        .filter(|txn| earlier[*txn] == 0)
        .collect();
    let mut ordered = 0;
    while let Some(txn) = free.pop() {
        ordered += 1;
        for next in &after[txn] {
            earlier[*next] -= 1;
            if earlier[*next] == 0 {
                free.push(*next);
            }
        }
    }
    assert_eq!(
        ordered,
        history.len(),
        "transactions depend on each other in a circle"
    );
}

/// What a node has in all registers.
fn read_all(cluster: &mut Cluster<State>, node: &str) -> Vec<Option<u64>> {
    let txn = (0..KEYS).map(|key| (Kind::Read, key, None)).collect();
    let answer = cluster.call(node, Txn { txn }).unwrap();
    answer.into_iter().map(|(_, _, value)| value).collect()
}

#[test]
fn read_committed_and_available_on_a_bad_network() {
    check(0..100, |seed| {
        let cluster = storm(seed, NETWORK);
        let history: Vec<Done> = cluster.history().iter().filter_map(done).collect();
        let writers = writers(&history);
        check_reads(&history, &writers);
        check_order(&history, &writers);
        assert_eq!(history.len(), 250);
    });
}

#[test]
fn all_nodes_agree_in_the_end_even_if_some_started_anew() {
    check(0..100, |seed| {
        let mut cluster = storm(seed, ALL);
        assert!(cluster.run_until_quiet(secs(20)), "there is no end to it");
        let [first, others @ ..] = ["n0", "n1", "n2"].map(|node| read_all(&mut cluster, node));
        for other in others {
            assert_eq!(first, other);
        }
        assert!(first.iter().any(Option::is_some), "there is nothing left");
    });
}

#[test]
fn a_long_partition_costs_no_more_than_the_registers() {
    let mut cluster = Cluster::<State>::new(2).seed(1).start();
    cluster.run_for(secs(3));
    cluster.partition(["n0"], ["n1"]);
    for value in 0..1000 {
        let txn = vec![(Kind::Write, value % KEYS, Some(value))];
        cluster.call("n0", Txn { txn }).unwrap();
        cluster.run_for(ms(10));
    }
    cluster.heal();
    let before = cluster.traffic();
    cluster.run_for(secs(5));
    let cost = cluster.traffic().since(&before).servers;
    assert!(cost.messages <= 4 && cost.bytes < 2000, "{cost:?}");
    assert_eq!(read_all(&mut cluster, "n0"), read_all(&mut cluster, "n1"));
}
