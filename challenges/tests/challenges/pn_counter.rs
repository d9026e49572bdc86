use super::*;
use glomer_runtime::Rng;
use glomer_runtime::sim::{Cluster, Latency, check, ms, secs};

#[path = "faults.rs"]
mod faults;
use faults::{Faults, NETWORK};

#[test]
fn all_nodes_come_to_the_sum_of_what_was_acknowledged() {
    check(0..100, |seed| {
        let mut cluster = Cluster::<State>::new(3)
            .seed(seed)
            .latency(Latency::exponential(ms(20)))
            .start();
        let mut faults = Faults::new(seed, NETWORK);
        let rng = Rng::seeded(seed);
        let mut sum = 0;
        for _ in 0..100 {
            faults.stir(&mut cluster);
            let node = faults.node(&cluster);
            // Few amounts, so that equal additions meet.
            let delta = rng.below(7) as i64 - 3;
            cluster.call(&node, Add { delta }).unwrap();
            sum += delta;
            cluster.run_for(ms(rng.below(40)));
        }
        faults.end(&mut cluster);
        cluster.run_for(secs(10));
        for node in ["n0", "n1", "n2"] {
            assert_eq!(cluster.call(node, Read {}), Ok(sum), "on {node}");
        }
    });
}
