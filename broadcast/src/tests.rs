//! The node under faults, in the simulator.

use super::*;
use glomer_runtime::sim::{Cluster, Latency, ms, secs};

#[test]
fn survives_a_partition() {
    let mut cluster = Cluster::<State>::new(5)
        .seed(42)
        .latency(Latency::constant(ms(100)))
        .start();
    cluster.partition(["n0", "n1"], ["n2", "n3", "n4"]);
    cluster.call("n0", Broadcast { message: 7 }).unwrap();
    cluster.run_for(secs(5));
    cluster.heal();
    cluster.run_for(secs(5));
    assert!(cluster.call("n4", Read {}).unwrap().contains(&7));
}
