//! Random faults that come and go.

use glomer_runtime::Rng;
use glomer_runtime::sim::Cluster;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Partition,
    Loss,
    Duplicate,
    Slow,
    Pause,
    Crash,
}

/// What a network does without anyone's fault.
pub(super) const NETWORK: &[Fault] =
    &[Fault::Partition, Fault::Loss, Fault::Duplicate, Fault::Slow];

/// All of it, and nodes that stop for a while or lose what they know.
pub(super) const ALL: &[Fault] = &[
    Fault::Partition,
    Fault::Loss,
    Fault::Duplicate,
    Fault::Slow,
    Fault::Pause,
    Fault::Crash,
];

/// The faults of one run.
pub(super) struct Faults {
    rng: Rng,
    kinds: &'static [Fault],
    /// The node that is paused or crashed; never more than one.
    away: Option<(String, Fault)>,
}

impl Faults {
    pub(super) fn new(seed: u64, kinds: &'static [Fault]) -> Self {
        let rng = Rng::seeded(!seed);
        Self {
            rng,
            kinds,
            away: None,
        }
    }

    /// A node's name, at random.
    pub(super) fn node<S: 'static>(&mut self, cluster: &Cluster<S>) -> String {
        let index = self.rng.below(cluster.nodes().len() as u64);
        format!("n{index}")
    }

    /// Begins or ends a fault, or more often does nothing.
    pub(super) fn stir<S: 'static>(&mut self, cluster: &mut Cluster<S>) {
        if !self.rng.chance(0.1) {
            return;
        }
        let Some(kind) = self.rng.choose(self.kinds).copied() else {
            return;
        };
        let begin = self.rng.chance(0.5);
        match (kind, begin) {
            (Fault::Partition, true) => self.partition(cluster),
            (Fault::Partition, false) => cluster.heal(),
            (Fault::Loss, begin) => cluster.set_loss(if begin { 0.2 } else { 0.0 }),
            (Fault::Duplicate, begin) => cluster.set_duplicate(if begin { 0.3 } else { 0.0 }),
            (Fault::Slow, begin) => cluster.slow(if begin { 5.0 } else { 1.0 }),
            (Fault::Pause | Fault::Crash, _) if self.away.is_some() => self.bring_back(cluster),
            (Fault::Pause, _) => {
                let node = self.node(cluster);
                cluster.pause(&node);
                self.away = Some((node, kind));
            }
            (Fault::Crash, _) => {
                let node = self.node(cluster);
                cluster.crash(&node);
                self.away = Some((node, kind));
            }
        }
    }

    fn partition<S: 'static>(&mut self, cluster: &mut Cluster<S>) {
        let mut nodes: Vec<String> = cluster.nodes().map(str::to_owned).collect();
        self.rng.shuffle(&mut nodes);
        let (one, other) = nodes.split_at(self.rng.below(nodes.len() as u64) as usize);
        if self.rng.chance(0.7) {
            cluster.partition(one, other)
        } else {
            cluster.partition_one_way(one, other)
        }
    }

    fn bring_back<S: 'static>(&mut self, cluster: &mut Cluster<S>) {
        match self.away.take() {
            Some((node, Fault::Pause)) => cluster.resume(&node),
            Some((node, _)) => cluster.restart(&node),
            None => {}
        }
    }

    /// Whether a node is running now.
    pub(super) fn runs(&self, node: &str) -> bool {
        self.away.as_ref().is_none_or(|(away, _)| away != node)
    }

    /// Ends all faults.
    pub(super) fn end<S: 'static>(&mut self, cluster: &mut Cluster<S>) {
        self.bring_back(cluster);
        cluster.heal();
        cluster.set_loss(0.0);
        cluster.set_duplicate(0.0);
        cluster.slow(1.0);
    }
}
