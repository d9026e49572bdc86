use std::borrow::Cow;

use glomer_runtime::Rng;

use super::{Effect, Fault, Strike, Target};
use crate::run::plan::Plan;

/// Nodes are stopped in their tracks, and later go on.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

impl Fault for Pause {
    fn name(&self) -> &str {
        "pause"
    }

    fn about(&self) -> &str {
        "nodes are stopped in their tracks, and later go on"
    }

    fn functions(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        ("pause".into(), "resume".into())
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::any(rng), plan, rng, Effect::Pause)
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::of_all_nodes(plan, Effect::Resume)
    }
}
