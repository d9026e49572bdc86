//! Who refuses to hear whom during a partition: the grudges of `jepsen.nemesis`.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::Rng;

use crate::edn::Edn;

/// For each node (by its number), the nodes whose messages it drops.
pub type Grudge = BTreeMap<usize, BTreeSet<usize>>;

/// The ways to part nodes that `jepsen.nemesis.combined` chooses from. (Its `primaries` needs a
/// database that can name its primaries, which Maelstrom's never can.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// One node is alone.
    One,
    /// The largest number of nodes below a third is cut off.
    MinorityThird,
    /// A majority and a minority.
    Majority,
    /// Every node sees a majority, and no two the same one.
    MajoritiesRing,
}

impl Split {
    /// All of them, in Jepsen's order.
    pub const ALL: [Split; 4] = [
        Split::One,
        Split::MinorityThird,
        Split::Majority,
        Split::MajoritiesRing,
    ];

    /// The name in a history, without a colon.
    pub fn name(self) -> &'static str {
        match self {
            Split::One => "one",
            Split::MinorityThird => "minority-third",
            Split::Majority => "majority",
            Split::MajoritiesRing => "majorities-ring",
        }
    }

    /// Draws such a partition of so many nodes.
    pub fn grudge(self, nodes: usize, rng: &Rng) -> Grudge {
        let mut order: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut order);
        match self {
            Split::One => split(&order, 1),
            Split::MinorityThird => split(&order, minority_third(nodes)),
            Split::Majority => split(&order, nodes / 2),
            Split::MajoritiesRing if nodes <= 5 => exact_ring(&order),
            Split::MajoritiesRing => stochastic_ring(nodes, rng),
        }
    }
}

/// The grudge as a history holds it, with the names of nodes.
pub fn to_edn(grudge: &Grudge, names: &[String]) -> Edn {
    let name = |node: &usize| Edn::from(names[*node].as_str());
    let entries = grudge.iter().map(|(node, others)| {
        let others = others.iter().map(name).collect();
        (name(node), Edn::Set(others))
    });
    Edn::Map(entries.collect())
}

/// The smallest number of nodes that is more than half of them.
pub fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// The largest number of nodes that is less than a third of them.
pub fn minority_third(nodes: usize) -> usize {
    nodes.saturating_sub(1) / 3
}

/// The first `at` nodes on one side, the rest on the other.
fn split(order: &[usize], at: usize) -> Grudge {
    let (left, right) = order.split_at(at.min(order.len()));
    let against = |side: &[usize], other: &[usize]| -> Grudge {
        side.iter()
            .map(|node| (*node, other.iter().copied().collect()))
            .collect()
    };
    let mut grudge = against(left, right);
    grudge.append(&mut against(right, left));
    grudge
}

/// Each node hears the majority in whose middle it sits, in a ring.
fn exact_ring(order: &[usize]) -> Grudge {
    let (nodes, seen) = (order.len(), majority(order.len()));
    (0..nodes)
        .map(|start| {
            let window: Vec<usize> = order
                .iter()
                .copied()
                .cycle()
                .skip(start)
                .take(seen)
                .collect();
            let hears: BTreeSet<usize> = window.iter().copied().collect();
            let drops = (0..nodes).filter(|node| !hears.contains(node)).collect();
            (window[window.len() / 2], drops)
        })
        .collect()
}

/// Links the least connected nodes with each other until every one sees a majority.
fn stochastic_ring(nodes: usize, rng: &Rng) -> Grudge {
    let mut links: Vec<BTreeSet<usize>> = (0..nodes).map(|node| BTreeSet::from([node])).collect();
    loop {
        let mut order: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut order);
        order.sort_by_key(|node| links[*node].len());
        let loneliest = order[0];
        let partner = order.iter().find(|node| !links[loneliest].contains(node));
        let Some(&partner) = partner.filter(|_| links[loneliest].len() < majority(nodes)) else {
            break;
        };
        links[loneliest].insert(partner);
        links[partner].insert(loneliest);
    }
    let drops = |node: usize| {
        (0..nodes)
            .filter(|other| !links[node].contains(other))
            .collect()
    };
    (0..nodes).map(|node| (node, drops(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(split: Split, nodes: usize) -> Vec<Vec<usize>> {
        (0..50)
            .map(|seed| {
                let grudge = split.grudge(nodes, &Rng::seeded(seed));
                let mut sizes: Vec<usize> = grudge.values().map(BTreeSet::len).collect();
                sizes.sort_unstable();
                sizes
            })
            .collect()
    }

    #[test]
    fn splits_have_the_sizes_jepsen_gives_them() {
        assert_eq!(sizes(Split::One, 5), vec![vec![1, 1, 1, 1, 4]; 50]);
        assert_eq!(sizes(Split::Majority, 5), vec![vec![2, 2, 2, 3, 3]; 50]);
        assert_eq!(
            sizes(Split::MinorityThird, 7),
            vec![vec![2, 2, 2, 2, 2, 5, 5]; 50]
        );
        assert_eq!(sizes(Split::MinorityThird, 3), vec![vec![0, 0, 0]; 50]);
    }

    #[test]
    fn in_a_ring_everyone_sees_a_majority_and_both_sides_agree() {
        for nodes in [1, 2, 3, 5, 6, 7, 12, 25] {
            for seed in 0..20 {
                let grudge = Split::MajoritiesRing.grudge(nodes, &Rng::seeded(seed));
                assert_eq!(grudge.len(), nodes);
                for (node, drops) in &grudge {
                    assert!(
                        nodes - drops.len() >= majority(nodes),
                        "{nodes} nodes, seed {seed}"
                    );
                    assert!(!drops.contains(node));
                    if nodes >= 5 {
                        assert!(drops.iter().all(|other| grudge[other].contains(node)));
                    }
                }
            }
        }
    }

    #[test]
    fn in_a_ring_of_five_nobody_sees_the_same_majority() {
        let grudge = Split::MajoritiesRing.grudge(5, &Rng::seeded(3));
        let majorities: BTreeSet<&BTreeSet<usize>> = grudge.values().collect();
        assert_eq!(majorities.len(), 5);
    }
}
