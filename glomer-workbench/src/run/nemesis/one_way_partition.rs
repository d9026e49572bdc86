use std::collections::BTreeSet;

use glomer_runtime::Rng;

use super::grudge::Grudge;
use super::{Effect, Fault, Strike, Target};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// Some nodes are deaf or mute: they do not hear the others, or the others do not hear them.
/// The other direction works, so that each side has another view of who is there.
#[derive(Clone, Copy, Debug)]
pub struct OneWayPartition;

impl Fault for OneWayPartition {
    fn name(&self) -> &str {
        "one-way-partition"
    }

    fn about(&self) -> &str {
        "some nodes do not hear the others, or are not heard by them"
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        let nodes = &plan.setting.nodes;
        let deaf = rng.below(2) == 0;
        let target = Target::any(rng);
        let chosen: BTreeSet<usize> = target.draw(nodes.len(), rng).into_iter().collect();
        let rest: BTreeSet<usize> = (0..nodes.len()).filter(|n| !chosen.contains(n)).collect();
        let (who, from) = if deaf { (chosen, rest) } else { (rest, chosen) };
        let grudge: Grudge = who.into_iter().map(|node| (node, from.clone())).collect();
        let way = Edn::kw(if deaf { "deaf" } else { "mute" });
        Strike {
            value: Edn::vector([way, target.value()]),
            effects: vec![Effect::Partition(grudge)],
            done: None,
        }
    }

    fn end(&self, _: &Plan) -> Strike {
        Strike::network_healed([Effect::Heal])
    }
}
