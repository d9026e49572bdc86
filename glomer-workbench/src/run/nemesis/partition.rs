use glomer_runtime::Rng;

use super::grudge::Split;
use super::{Effect, Fault, Strike};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// Nodes stop hearing each other: one is alone, a minority is cut off, or each sees a
/// majority of its own.
#[derive(Clone, Copy, Debug)]
pub struct Partition;

impl Fault for Partition {
    fn name(&self) -> &str {
        "partition"
    }

    fn about(&self) -> &str {
        "nodes stop hearing each other"
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        let nodes = plan.setting.nodes.len();
        let split = Split::ALL[rng.below(Split::ALL.len() as u64) as usize];
        let grudge = split.grudge(nodes, rng);
        Strike {
            value: Edn::kw(split.name()),
            effects: vec![Effect::Partition(grudge)],
            done: None,
        }
    }

    fn end(&self, _: &Plan) -> Strike {
        Strike::network_healed([Effect::Heal])
    }
}
