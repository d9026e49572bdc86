use glomer_runtime::Rng;

use super::{Effect, Fault, Strike};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// How likely a message gets lost when the plan does not say: as in Maelstrom's `flaky!`.
const LIKELY: f64 = 0.5;

/// Messages between nodes get lost, as likely as [`Plan::p_loss`] says, or every other one.
#[derive(Clone, Copy, Debug)]
pub struct Loss;

impl Fault for Loss {
    fn name(&self) -> &str {
        "loss"
    }

    fn about(&self) -> &str {
        "messages between nodes get lost"
    }

    fn begin(&self, plan: &Plan, _: &Rng) -> Strike {
        let p = plan.p_loss.unwrap_or(LIKELY);
        Strike {
            value: Edn::Nil,
            effects: vec![Effect::Loss(p)],
            done: None,
        }
    }

    fn end(&self, _: &Plan) -> Strike {
        Strike::network_healed([Effect::Loss(0.0)])
    }
}
