//! Which neighbours `broadcast` tells the nodes of.

use std::collections::BTreeMap;

/// For each node, its neighbours.
pub type Neighbours = BTreeMap<String, Vec<String>>;

/// A shape that nodes are arranged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "command", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum Topology {
    /// One after the other.
    Line,
    /// A square, as far as the number allows; four neighbours at most.
    #[default]
    Grid,
    /// A tree with two children each.
    Tree,
    /// The same.
    Tree2,
    /// A tree with three children each.
    Tree3,
    /// A tree with four children each.
    Tree4,
    /// Everyone with everyone.
    Total,
}

impl Topology {
    /// The neighbours of each of these nodes.
    pub fn neighbours(self, nodes: &[String]) -> Neighbours {
        let count = nodes.len();
        // Maelstrom's line of one node has no entry for it.
        let listed = match self {
            Topology::Line if count < 2 => 0,
            _ => count,
        };
        (0..listed)
            .map(|node| {
                let neighbours = self.of(node, count);
                let names = neighbours.into_iter().map(|other| nodes[other].clone());
                (nodes[node].clone(), names.collect())
            })
            .collect()
    }

    fn of(self, node: usize, count: usize) -> Vec<usize> {
        match self {
            Topology::Line => [node.checked_sub(1), Some(node + 1)]
                .into_iter()
                .flatten()
                .filter(|other| *other < count)
                .collect(),
            Topology::Grid => {
                let side = (count as f64).sqrt().ceil() as usize;
                let (row, column) = (node / side, node % side);
                [
                    Some(node + side),
                    node.checked_sub(side),
                    (column + 1 < side).then_some(node + 1),
                    (column > 0 && row * side + column > 0).then(|| node - 1),
                ]
                .into_iter()
                .flatten()
                .filter(|other| *other < count)
                .collect()
            }
            Topology::Tree | Topology::Tree2 => tree(node, count, 2),
            Topology::Tree3 => tree(node, count, 3),
            Topology::Tree4 => tree(node, count, 4),
            Topology::Total => (0..count).filter(|other| *other != node).collect(),
        }
    }
}

/// A tree filled tier by tier: the parent, then the children.
fn tree(node: usize, count: usize, branches: usize) -> Vec<usize> {
    let parent = node.checked_sub(1).map(|above| above / branches);
    let children = (1..=branches).map(|child| node * branches + child);
    parent
        .into_iter()
        .chain(children)
        .filter(|other| *other < count)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(topology: Topology, count: usize) -> String {
        let nodes: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
        let lines = topology.neighbours(&nodes).into_iter();
        lines
            .map(|(node, others)| format!("{node}: {}", others.join(" ")))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn shapes_are_maelstroms() {
        assert_eq!(show(Topology::Line, 3), "n0: n1, n1: n0 n2, n2: n1");
        assert_eq!(show(Topology::Line, 1), "");
        assert_eq!(
            show(Topology::Grid, 5),
            "n0: n3 n1, n1: n4 n2 n0, n2: n1, n3: n0 n4, n4: n1 n3"
        );
        assert_eq!(show(Topology::Grid, 1), "n0: ");
        assert_eq!(
            show(Topology::Tree, 6),
            "n0: n1 n2, n1: n0 n3 n4, n2: n0 n5, n3: n1, n4: n1, n5: n2"
        );
        assert_eq!(show(Topology::Tree2, 6), show(Topology::Tree, 6));
        assert_eq!(
            show(Topology::Tree3, 5),
            "n0: n1 n2 n3, n1: n0 n4, n2: n0, n3: n0, n4: n1"
        );
        assert_eq!(show(Topology::Tree4, 3), "n0: n1 n2, n1: n0, n2: n0");
        assert_eq!(show(Topology::Total, 3), "n0: n1 n2, n1: n0 n2, n2: n0 n1");
    }

    #[test]
    fn neighbours_are_mutual() {
        use Topology::{Grid, Line, Total, Tree, Tree2, Tree3, Tree4};
        for topology in [Line, Grid, Tree, Tree2, Tree3, Tree4, Total] {
            for count in 1..30 {
                let nodes: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
                let all = topology.neighbours(&nodes);
                for (node, others) in &all {
                    assert!(others.iter().all(|other| all[other].contains(node)));
                    assert!(!others.contains(node));
                }
            }
        }
    }
}
