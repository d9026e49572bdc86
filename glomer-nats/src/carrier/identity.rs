//! Whose messages are carried.

use crate::{Cluster, Name, Result};

/// Whose messages are carried.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cluster: Cluster,
    pub(crate) id: Name,
    pub(crate) nodes: Vec<Name>,
}

impl Identity {
    /// A node of a cluster.
    ///
    /// # Errors
    /// If the node is not one of the nodes, or one is there twice.
    pub(crate) fn new(cluster: Cluster, id: Name, nodes: Vec<Name>) -> Result<Self> {
        let list = nodes.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
        if !nodes.contains(&id) {
            return Err(format!(
                "--id {id} is none of --nodes {list}: name all nodes of the cluster there, this \
                 one, too"
            )
            .into());
        }
        let twice = nodes
            .iter()
            .enumerate()
            .find(|(index, node)| nodes[..*index].contains(node));
        if let Some((_, node)) = twice {
            return Err(format!("--nodes {list} names {node} twice").into());
        }
        Ok(Self { cluster, id, nodes })
    }
}
