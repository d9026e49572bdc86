use glomer_runtime::Rng;
use glomer_runtime::sim::Health;

use super::{Effect, Fault, Needs, Strike, Target};
use crate::run::plan::Plan;

/// The disks of nodes are full, or broken: a node that writes to one stops, and what waited for
/// the write is never sent. Later such nodes start afresh, on disks that are well and have what
/// was durable by then.
///
/// It needs nodes in this process.
#[derive(Clone, Copy, Debug)]
pub struct FailingDisk;

impl Fault for FailingDisk {
    fn name(&self) -> &str {
        "failing-disk"
    }

    fn about(&self) -> &str {
        "disks are full or broken, and nodes that write to them stop"
    }

    fn needs(&self) -> Needs {
        Needs::NodesInProcess
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::any(rng), plan, rng, |node| {
            Effect::DiskHealth(node, Health::Failing)
        })
    }

    fn end(&self, plan: &Plan) -> Strike {
        let nodes = 0..plan.setting.nodes.len();
        let effects =
            nodes.flat_map(|node| [Effect::DiskHealth(node, Health::Well), Effect::Start(node)]);
        Strike {
            value: Target::All.value(),
            effects: effects.collect(),
            done: None,
        }
    }
}
