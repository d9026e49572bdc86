use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{Cluster, Latency, check, ms, secs};
use std::collections::BTreeSet;

#[path = "faults.rs"]
mod faults;
use faults::{Faults, NETWORK};

#[test]
fn every_acknowledged_element_gets_everywhere() {
    check(0..100, |seed| {
        let mut cluster = Cluster::<State>::new(5)
            .seed(seed)
            .latency(Latency::exponential(ms(20)))
            .start();
        let mut faults = Faults::new(seed, NETWORK);
        let rng = Rng::seeded(seed);
        let mut added = BTreeSet::new();
        for element in 0..100 {
            faults.stir(&mut cluster);
            let node = faults.node(&cluster);
            cluster.call(&node, Add { element }).unwrap();
            added.insert(element);
            let read = cluster.call(&node, Read {}).unwrap();
            assert!(read.contains(&element), "{node} forgot its own {element}");
            assert!(read.iter().all(|element| added.contains(element)));
            cluster.run_for(ms(rng.below(40)));
        }
        faults.end(&mut cluster);
        cluster.run_for(secs(10));
        for node in ["n0", "n1", "n2", "n3", "n4"] {
            let read: BTreeSet<i64> = cluster.call(node, Read {}).unwrap().into_iter().collect();
            assert_eq!(read, added, "on {node}");
        }
    });
}
