use glomer_runtime::Rng;

use super::{Effect, Fault, Strike};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// How likely a message arrives twice when the plan does not say.
const LIKELY: f64 = 0.5;

/// Messages between nodes arrive twice, as likely as [`Plan::p_duplicate`] says, or every
/// other one.
#[derive(Clone, Copy, Debug)]
pub struct Duplicate;

impl Fault for Duplicate {
    fn name(&self) -> &str {
        "duplicate"
    }

    fn about(&self) -> &str {
        "messages between nodes arrive twice"
    }

    fn begin(&self, plan: &Plan, _: &Rng) -> Strike {
        let p = plan.p_duplicate.unwrap_or(LIKELY);
        Strike {
            value: Edn::Nil,
            effects: vec![Effect::Duplicate(p)],
            done: None,
        }
    }

    fn end(&self, _: &Plan) -> Strike {
        Strike::network_healed([Effect::Duplicate(0.0)])
    }
}
