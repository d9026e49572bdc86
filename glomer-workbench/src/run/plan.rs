//! What a run consists of.

use std::collections::BTreeSet;
use std::time::Duration;

use glomer_runtime::sim::{Delivery, Latency};

use super::nemesis::Fault;
use crate::checker::Workload;
use crate::workload::Setting;

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload.
    pub workload: Workload,
    /// Nodes, threads and sizes.
    pub setting: Setting,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The mean time between two operations; `None` for none but the final ones.
    pub interval: Option<Duration>,
    /// How long the main phase lasts.
    pub time_limit: Duration,
    /// How long messages between nodes take.
    pub latency: Latency,
    /// How they wait for the end of that time.
    pub delivery: Delivery,
    /// The faults to inject.
    pub faults: BTreeSet<Fault>,
    /// The mean time between two operations of the nemesis.
    pub nemesis_interval: Duration,
    /// How likely a message gets lost: always, or with [`Fault::Loss`] during that fault.
    pub p_loss: Option<f64>,
    /// How likely a message arrives twice: always, or with [`Fault::Duplicate`] during that
    /// fault.
    pub p_duplicate: Option<f64>,
    /// How long nodes have to recover before the final operations.
    pub recovery_time: Duration,
    /// Tell of every message that is sent.
    pub log_net_send: bool,
    /// Tell of every message that is received.
    pub log_net_recv: bool,
}
