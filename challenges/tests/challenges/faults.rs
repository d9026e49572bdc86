//! The faults that challenges have to stand.

use glomer_workbench::run::nemesis::{
    Duplicate, Faults, Kill, Loss, OneWayPartition, Partition, Pause, Slow,
};
use glomer_workbench::verdict::Validity;
use glomer_workbench::workload::Workload;
use glomer_workbench::{Test, Tested, Tests};

use glomer_runtime::sim::{Latency, ms, secs};

/// What a network does without anyone's fault.
pub(super) fn network() -> Faults {
    (Partition, OneWayPartition, Loss, Duplicate, Slow).into()
}

/// All of it, and nodes that stop for a while or lose what they know. They may do so all at
/// once and for all of a run.
pub(super) fn all() -> Faults {
    let all = (
        Partition,
        OneWayPartition,
        Loss,
        Duplicate,
        Slow,
        Pause,
        Kill,
    );
    all.into()
}

/// A workload on three nodes for 20 seconds, during which faults come and go.
pub(super) fn storm(workload: impl Workload, faults: Faults) -> Test {
    Test::new(workload)
        .nodes(3)
        .rate(30.0)
        .latency(Latency::exponential(ms(20)))
        .nemesis(faults)
        .nemesis_interval(secs(3))
        .p_loss(0.2)
        .p_duplicate(0.3)
        .time_limit(secs(20))
        .seeds(0..20)
}

/// Demands that a node without a disk loses what it was told.
#[track_caller]
pub(super) fn forgets(tests: Tests) {
    let refused = tests.refused().map(Tested::validity);
    assert_eq!(refused, Some(Validity::False), "{tests}");
}
