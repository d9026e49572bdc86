use super::*;
use glomer_runtime::sim::{Cluster, Latency, check, ms};
use std::collections::BTreeSet;

#[path = "faults.rs"]
mod faults;
use faults::{ALL, Faults};

#[test]
fn ids_are_unique_and_given_out_at_once_whatever_happens() {
    check(0..100, |seed| {
        let mut cluster = Cluster::<State>::new(3)
            .seed(seed)
            .latency(Latency::exponential(ms(20)))
            .start();
        let mut faults = Faults::new(seed, ALL);
        let mut ids = BTreeSet::new();
        for _ in 0..300 {
            faults.stir(&mut cluster);
            let node = faults.node(&cluster);
            if faults.runs(&node) {
                let asked = cluster.now();
                let id = cluster.call(&node, Generate {}).unwrap();
                assert_eq!(cluster.now(), asked, "the answer waited for something");
                assert!(ids.insert(id), "an id came twice");
            }
            cluster.run_for(ms(10));
        }
        assert!(ids.len() > 100);
    });
}
