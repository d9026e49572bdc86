use std::time::Duration;

use glomer_runtime::Rng;

use super::{Effect, Fault, Needs, Strike, Target};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// How much faster a fast clock goes than time, and a slow one slower: from, and to.
const FACTOR: [f64; 2] = [1.1, 3.0];
/// How far a clock leaps: a tenth of a second, up to so many times doubled.
const LEAP: Duration = Duration::from_millis(100);
const DOUBLINGS: f64 = 9.0;

/// The clocks of nodes run fast or slow, or leap ahead. A clock never goes back: after the
/// fault it goes as fast as time again, from where it is.
///
/// It needs nodes in virtual time. What a clock governs is all that the node knows of time:
/// `now`, `sleep`, timeouts and periodic functions.
#[derive(Clone, Copy, Debug)]
pub struct Skew;

impl Fault for Skew {
    fn name(&self) -> &str {
        "skew"
    }

    fn about(&self) -> &str {
        "clocks of nodes run fast or slow, or leap ahead (in virtual time)"
    }

    fn needs(&self) -> Needs {
        Needs::VirtualTime
    }

    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike {
        let names = &plan.setting.nodes;
        let kind = ["fast", "slow", "leap"][rng.below(3) as usize];
        let target = Target::any(rng);
        let effects = target.draw(names.len(), rng).into_iter().map(|node| {
            if kind == "leap" {
                let ahead = LEAP.mul_f64((DOUBLINGS * rng.unit()).exp2());
                return Effect::Leap(node, ahead);
            }
            let factor = FACTOR[0] + (FACTOR[1] - FACTOR[0]) * rng.unit();
            Effect::Rate(node, if kind == "fast" { factor } else { 1.0 / factor })
        });
        Strike {
            value: Edn::vector([Edn::kw(kind), target.value()]),
            effects: effects.collect(),
            done: None,
        }
    }

    fn end(&self, plan: &Plan) -> Strike {
        let nodes = 0..plan.setting.nodes.len();
        Strike {
            value: Edn::kw("all"),
            effects: nodes.map(|node| Effect::Rate(node, 1.0)).collect(),
            done: Some(Edn::kw("clocks-in-step")),
        }
    }
}
