//! What it costs to spread a value, measured and by the formula: a row of the
//! table of the documentation.

use glomer_runtime::sim::{Latency, ms, secs};
use glomer_spread::STRETCH;

use crate::support::measure;

const LINK: Latency = Latency::constant(ms(100));
const LINK_SECONDS: f64 = 0.1;

/// One size of the cluster under one load.
pub(crate) struct Cost {
    pub(crate) nodes: usize,
    pub(crate) rate: f64,
    pub(crate) messages: f64,
    bytes: f64,
    median: f64,
    max: f64,
}

impl Cost {
    pub(crate) fn measure(nodes: usize, rate: f64) -> Self {
        // Some hundred values, and at least a few seconds.
        let time = secs((300.0 / rate).clamp(4.0, 200.0) as u64);
        // Half of the operations are reads.
        let figures = measure(nodes, 2.0 * rate, LINK, 1, time);
        let per_value = figures.operations / figures.values;
        Self {
            nodes,
            rate,
            messages: figures.per_op * per_value,
            bytes: figures.bytes_per_op * per_value,
            median: figures.median / 1e3 / LINK_SECONDS,
            max: figures.max / 1e3 / LINK_SECONDS,
        }
    }

    /// The messages for each value that a hub takes which gathers and never
    /// rests: the values it is handed, and what it passes on to all.
    pub(crate) fn expected(nodes: usize, rate: f64) -> f64 {
        let others = nodes as f64 - 1.0;
        let gathered = 1.0 + rate * 2.0 * LINK_SECONDS * STRETCH;
        let handed = (others / nodes as f64).min(8.0 * others / gathered);
        handed + others / gathered
    }

    pub(crate) fn row(&self) -> String {
        let Self { nodes, rate, .. } = self;
        format!(
            "| {nodes} | {rate} | {:.2} | {:.2} | {:.0} | {:.1} | {:.1} |",
            self.messages,
            Self::expected(*nodes, *rate),
            self.bytes,
            self.median,
            self.max
        )
    }
}
