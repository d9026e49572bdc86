use std::borrow::Cow;

use glomer_runtime::Rng;

use super::{Effect, Fault, Strike, Target};
use crate::run::plan::Plan;

/// Nodes are killed, and later started afresh, with what they have on their disks.
#[derive(Clone, Copy, Debug)]
pub struct Kill;

impl Fault for Kill {
    fn name(&self) -> &str {
        "kill"
    }

    fn about(&self) -> &str {
        "nodes are killed, and later started afresh"
    }

    fn functions(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        ("kill".into(), "start".into())
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::any(rng), plan, rng, Effect::Kill)
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::of_all_nodes(plan, Effect::Start)
    }
}
