use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::Latency;

use super::{Effect, Fault, Strike};
use crate::edn::Edn;
use crate::run::plan::Plan;

/// How much longer messages take: as in Maelstrom's `slow!`.
const FACTOR: f64 = 10.0;
/// The latency of messages that otherwise take no time.
const LATENCY: Duration = Duration::from_millis(100);

/// Messages between nodes take ten times as long, or 100 ms if they otherwise take no time.
#[derive(Clone, Copy, Debug)]
pub struct Slow;

impl Fault for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn about(&self) -> &str {
        "messages between nodes take ten times as long"
    }

    fn begin(&self, plan: &Plan, _: &Rng) -> Strike {
        let effect = if plan.latency.mean().is_zero() {
            Effect::Latency(Latency::constant(LATENCY))
        } else {
            Effect::Slow(FACTOR)
        };
        Strike {
            value: Edn::Nil,
            effects: vec![effect],
            done: None,
        }
    }

    fn end(&self, plan: &Plan) -> Strike {
        Strike::network_healed([if plan.latency.mean().is_zero() {
            Effect::Latency(plan.latency)
        } else {
            Effect::Slow(1.0)
        }])
    }
}
