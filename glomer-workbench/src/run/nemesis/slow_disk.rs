use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::Latency;

use super::{Effect, Fault, Needs, Strike, Target};
use crate::run::plan::Plan;

/// How long a slow disk takes.
const LATENCY: Latency = Latency::exponential(Duration::from_millis(200));

/// The disks of nodes take 200 ms on average to make durable what is written, and sometimes many
/// times that.
///
/// It needs nodes in this process.
#[derive(Clone, Copy, Debug)]
pub struct SlowDisk;

impl Fault for SlowDisk {
    fn name(&self) -> &str {
        "slow-disk"
    }

    fn about(&self) -> &str {
        "disks take 200 ms to make durable what is written"
    }

    fn needs(&self) -> Needs {
        Needs::NodesInProcess
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::any(rng), plan, rng, |node| {
            Effect::DiskLatency(node, LATENCY)
        })
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::of_all_nodes(plan, |node| Effect::DiskLatency(node, plan.disk_latency))
    }
}
