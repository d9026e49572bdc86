//! What a run consists of.

use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::sim::{Delivery, Latency};

use super::nemesis::Faults;
use super::schedule::Schedule;
use crate::workload::{AnyWorkload, Setting, Workload};

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload.
    pub workload: AnyWorkload,
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
    /// How long the disks of nodes in this process take to make durable what was written.
    pub disk_latency: Latency,
    /// The faults to inject.
    pub faults: Faults,
    /// The mean time between two operations of the nemesis.
    pub nemesis_interval: Duration,
    /// How likely a message gets lost: always, or with [`Loss`](super::nemesis::Loss) during that fault.
    pub p_loss: Option<f64>,
    /// How likely a message arrives twice: always, or with [`Duplicate`](super::nemesis::Duplicate) during that
    /// fault.
    pub p_duplicate: Option<f64>,
    /// How long nodes have to recover before the final operations.
    pub recovery_time: Duration,
    /// What clients ask and faults do, if it is not to be drawn; see [`Schedule::plan`].
    pub schedule: Option<Arc<Schedule>>,
    /// Tell of every message that is sent.
    pub log_net_send: bool,
    /// Tell of every message that is received.
    pub log_net_recv: bool,
}

impl Plan {
    /// What Maelstrom does unless told otherwise, with a client for each node: 5 operations
    /// a second for a minute, links that take no time, no faults. The seed is 0.
    pub fn new(workload: impl Workload, nodes: usize) -> Plan {
        Plan::of(AnyWorkload::new(workload), nodes)
    }

    /// [`new`](Plan::new) for any workload.
    pub fn of(workload: AnyWorkload, nodes: usize) -> Plan {
        Plan {
            workload,
            setting: Setting::new(nodes),
            seed: 0,
            interval: Some(Duration::from_millis(200)),
            time_limit: Duration::from_secs(60),
            latency: Latency::default(),
            delivery: Delivery::InTurn,
            disk_latency: Latency::exponential(Duration::from_millis(1)),
            faults: Faults::none(),
            nemesis_interval: Duration::from_secs(10),
            p_loss: None,
            p_duplicate: None,
            recovery_time: Duration::from_secs(10),
            schedule: None,
            log_net_send: false,
            log_net_recv: false,
        }
    }
}
