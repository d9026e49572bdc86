use glomer_runtime::Rng;
use glomer_runtime::sim::Health;

use super::{Effect, Fault, Needs, Strike, Target};
use crate::run::plan::Plan;

/// The disks of nodes say at once that what is written is durable, and it is not: together with
/// [`Kill`](super::Kill), nodes lose what they acknowledged. No node can stand that alone; it
/// shows what a protocol does that relies on others, and what a test notices.
///
/// It needs nodes in this process.
#[derive(Clone, Copy, Debug)]
pub struct LyingDisk;

impl Fault for LyingDisk {
    fn name(&self) -> &str {
        "lying-disk"
    }

    fn about(&self) -> &str {
        "disks say that what is written is durable, and a kill may lose it"
    }

    fn needs(&self) -> Needs {
        Needs::NodesInProcess
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::any(rng), plan, rng, |node| {
            Effect::DiskHealth(node, Health::Lying)
        })
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::of_all_nodes(plan, |node| Effect::DiskHealth(node, Health::Well))
    }
}
