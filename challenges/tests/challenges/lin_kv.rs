use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{self, Cluster, Latency, check, ms, secs};
use serde_json::json;
use std::collections::BTreeMap;

#[path = "faults.rs"]
mod faults;
#[path = "linearizable.rs"]
mod linearizable;
use faults::{ALL, Fault, Faults, NETWORK};
use linearizable::{Action, Operation, first_unexplained};

fn cluster(nodes: usize, seed: u64) -> Cluster<Raft> {
    let latency = Latency::exponential(ms(10));
    Cluster::new(nodes)
        .seed(seed)
        .latency(latency)
        .timeout(secs(4))
        .start()
}

/// Asks a random node for something, about one of a few keys at a time.
fn invoke(cluster: &mut Cluster<Raft>, faults: &mut Faults, rng: &mut Rng) {
    let node = faults.node(cluster);
    let key = json!(cluster.history().len() / 24 * 2 + rng.below(2) as usize);
    let (from, to) = (json!(rng.below(4)), json!(rng.below(4)));
    match rng.below(4) {
        0..2 => _ = cluster.invoke(&node, Read { key }),
        2 => _ = cluster.invoke(&node, Write { key, value: to }),
        _ => _ = cluster.invoke(&node, Cas { key, from, to }),
    }
}

/// What a client did with which key; `None` if it certainly did nothing.
fn action(operation: &sim::Operation) -> Option<(String, Operation)> {
    let number = |value: &Value| value.as_u64().unwrap();
    let failed = match &operation.result {
        Some(Err(error)) => Some(error.code()),
        _ => None,
    };
    let mut completed = operation.completed.filter(|_| operation.result.is_some());
    let (key, action) = if let Some(Read { key }) = operation.request() {
        let value = match failed {
            None => Some(number(&operation.reply::<Read>()?.ok()?)),
            Some(20) => None,
            Some(_) => return None,
        };
        (key, Action::Read(value))
    } else if let Some(Write { key, value }) = operation.request() {
        (key, Action::Write(number(&value)))
    } else {
        let Cas { key, from, to } = operation.request()?;
        let succeeded = !matches!(failed, Some(20 | 22));
        (key, Action::Cas(number(&from), number(&to), succeeded))
    };
    match failed {
        Some(20 | 22) | None => {}
        Some(11) => return None,
        Some(_) => completed = None,
    }
    let invoked = operation.invoked;
    let operation = Operation {
        action,
        invoked,
        completed,
    };
    Some((key.to_string(), operation))
}

#[track_caller]
fn assert_linearizable(cluster: &Cluster<Raft>) {
    let mut keys: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for (key, operation) in cluster.history().iter().filter_map(action) {
        keys.entry(key).or_default().push(operation);
    }
    for (key, history) in keys {
        if let Some(operation) = first_unexplained(&history) {
            panic!("key {key} is not linearizable: {operation:?} in {history:#?}");
        }
    }
}

fn succeeded(cluster: &Cluster<Raft>) -> usize {
    let done = |operation: &&sim::Operation| matches!(operation.result, Some(Ok(_)));
    cluster.history().iter().filter(done).count()
}

fn storm(seed: u64, kinds: &'static [Fault]) -> Cluster<Raft> {
    let nodes = if seed.is_multiple_of(2) { 3 } else { 5 };
    let mut cluster = cluster(nodes, seed);
    let mut faults = Faults::new(seed, kinds);
    let mut rng = Rng::seeded(seed);
    cluster.run_for(secs(2));
    for _ in 0..300 {
        faults.stir(&mut cluster);
        invoke(&mut cluster, &mut faults, &mut rng);
        cluster.run_for(ms(rng.below(80)));
    }
    faults.end(&mut cluster);
    cluster
}

/// Once the faults are over, everyone answers, and nobody loses what it knows.
fn assert_available(cluster: &mut Cluster<Raft>) {
    cluster.run_for(secs(5));
    for node in ["n0", "n1", "n2"] {
        let (key, value) = (json!("last"), json!(7));
        assert_eq!(
            cluster.call(
                node,
                Write {
                    key: key.clone(),
                    value
                }
            ),
            Ok(()),
            "{node}"
        );
        assert_eq!(cluster.call(node, Read { key }), Ok(json!(7)), "{node}");
    }
}

#[test]
fn linearizable_on_a_bad_network_and_available_after_it() {
    check(0..60, |seed| {
        let mut cluster = storm(seed, NETWORK);
        assert_available(&mut cluster);
        assert_linearizable(&cluster);
        assert!(succeeded(&cluster) > 50, "{}", succeeded(&cluster));
    });
}

#[test]
fn linearizable_with_nodes_that_stop_and_start_anew() {
    check(0..60, |seed| {
        let mut cluster = storm(seed, ALL);
        cluster.run_for(secs(5));
        assert_linearizable(&cluster);
    });
}

#[test]
fn every_node_may_start_anew_one_after_the_other() {
    check(0..20, |seed| {
        let mut cluster = cluster(3, seed);
        let key = json!("kept");
        cluster.run_for(secs(2));
        let value = json!(seed);
        assert_eq!(
            cluster.call(
                "n0",
                Write {
                    key: key.clone(),
                    value
                }
            ),
            Ok(())
        );
        for node in ["n0", "n1", "n2", "n0", "n1", "n2"] {
            cluster.restart(node);
            cluster.run_for(secs(5));
            assert_eq!(
                cluster.call(node, Read { key: key.clone() }),
                Ok(json!(seed))
            );
        }
    });
}

#[test]
fn a_majority_that_starts_anew_does_not_invent_a_past() {
    check(0..20, |seed| {
        let mut cluster = cluster(3, seed);
        let key = json!("kept");
        cluster.run_for(secs(2));
        assert_eq!(
            cluster.call(
                "n0",
                Write {
                    key: key.clone(),
                    value: json!(1)
                }
            ),
            Ok(())
        );
        cluster.restart("n1");
        cluster.restart("n2");
        cluster.run_for(secs(10));
        for node in ["n0", "n1", "n2"] {
            // There is nobody who can know.
            let answer = cluster.call(node, Read { key: key.clone() });
            assert!(answer.is_err(), "{node}: {answer:?}");
        }
    });
}

#[test]
fn who_was_away_for_long_gets_the_store_instead_of_the_log() {
    let mut cluster = cluster(3, 1);
    cluster.run_for(secs(2));
    cluster.pause("n2");
    for number in 0..3000 {
        let (key, value) = (json!(number % 10), json!(number));
        _ = cluster.invoke("n0", Write { key, value });
        cluster.run_for(ms(5));
    }
    cluster.run_for(secs(5));
    cluster.resume("n2");
    cluster.run_for(secs(5));
    assert!(cluster.traffic().by_type.contains_key("install"));
    // Now it is needed for a majority.
    cluster.crash("n1");
    cluster.run_for(secs(5));
    assert_eq!(cluster.call("n2", Read { key: json!(9) }), Ok(json!(2999)));
    assert_eq!(succeeded(&cluster), 3001);
}

#[test]
fn many_requests_share_a_message() {
    let mut cluster = Cluster::<Raft>::new(3)
        .seed(1)
        .latency(Latency::constant(ms(50)))
        .start();
    cluster.run_for(secs(3));
    let before = cluster.traffic();
    for number in 0..1000 {
        let (key, value) = (json!(number), json!(number));
        _ = cluster.invoke("n0", Write { key, value });
    }
    cluster.run_for(secs(1));
    assert_eq!(succeeded(&cluster), 1000);
    let appends = cluster.traffic().since(&before).by_type["append"];
    assert!(appends.messages < 40, "{appends:?}");
}
