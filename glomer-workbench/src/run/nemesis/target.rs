//! Whom a fault of nodes strikes.

use glomer_runtime::Rng;

use super::grudge::{majority, minority_third};
use crate::edn::Edn;

/// The nodes that a fault chooses from, as `jepsen.nemesis.combined` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any number of nodes, but not none.
    Any,
    /// One node.
    One,
    /// The largest number of nodes below a third.
    MinorityThird,
    /// The largest number of nodes that is no majority.
    Minority,
    /// The smallest majority.
    Majority,
    /// All nodes.
    All,
}

impl Target {
    /// All of them, in Jepsen's order.
    pub const ALL: [Target; 6] = [
        Target::Any,
        Target::One,
        Target::MinorityThird,
        Target::Minority,
        Target::Majority,
        Target::All,
    ];

    /// One of these, each as likely as another.
    pub fn any(rng: &Rng) -> Target {
        Target::ALL[rng.below(Target::ALL.len() as u64) as usize]
    }

    /// The target as the history names it.
    pub fn value(self) -> Edn {
        match self {
            Target::Any => Edn::Nil,
            Target::One => Edn::kw("one"),
            Target::MinorityThird => Edn::kw("minority-third"),
            Target::Minority => Edn::kw("minority"),
            Target::Majority => Edn::kw("majority"),
            Target::All => Edn::kw("all"),
        }
    }

    /// Draws so many of the nodes, in rising order.
    pub fn draw(self, nodes: usize, rng: &Rng) -> Vec<usize> {
        let count = match self {
            Target::Any => 1 + rng.below(nodes as u64) as usize,
            Target::One => 1,
            Target::MinorityThird => minority_third(nodes),
            Target::Minority => majority(nodes) - 1,
            Target::Majority => majority(nodes),
            Target::All => nodes,
        };
        let mut chosen: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut chosen);
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }
}
