use glomer_runtime::Rng;

use super::grudge::{Split, to_edn};
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
        let nodes = &plan.setting.nodes;
        let split = Split::ALL[rng.below(Split::ALL.len() as u64) as usize];
        let grudge = split.grudge(nodes.len(), rng);
        Strike {
            value: Edn::kw(split.name()),
            done: Some(Edn::vector([Edn::kw("isolated"), to_edn(&grudge, nodes)])),
            effects: vec![Effect::Partition(grudge)],
        }
    }

    fn end(&self, _: &Plan) -> Strike {
        Strike::network_healed([Effect::Heal])
    }
}
