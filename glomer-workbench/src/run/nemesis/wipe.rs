use std::borrow::Cow;

use glomer_runtime::Rng;

use super::{Effect, Fault, Strike, Target};
use crate::run::plan::Plan;

/// A minority of the nodes is killed and loses its disks, and is later started afresh.
///
/// It strikes at most a minority at a time, since what all disks have lost nobody can know.
/// But it strikes again and again: nodes have until the next time to get back what they lost.
#[derive(Clone, Copy, Debug)]
pub struct Wipe;

impl Fault for Wipe {
    fn name(&self) -> &str {
        "wipe"
    }

    fn about(&self) -> &str {
        "a minority of nodes is killed and loses its disks"
    }

    fn functions(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        ("wipe".into(), "start-wiped".into())
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        Strike::of_nodes(Target::Minority, plan, rng, Effect::Wipe)
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::of_all_nodes(plan, Effect::Start)
    }
}
