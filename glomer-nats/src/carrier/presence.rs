//! Which carriers there are: no two of one node, and all with the same nodes.

use serde::{Deserialize, Serialize};

/// How a carrier says who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Presence {
    /// The node that it carries.
    pub(crate) id: String,
    /// Which nodes it takes its cluster to consist of.
    pub(crate) nodes: Vec<String>,
    /// Tells it from any other carrier.
    pub(crate) incarnation: String,
    /// Whether it has begun to carry, since nobody objected.
    pub(crate) is_settled: bool,
    /// Where it runs.
    pub(crate) host: String,
    pub(crate) pid: u32,
}

impl Presence {
    /// Why the two cannot both be, if this is the one to go.
    pub(crate) fn yields_to(&self, other: &Self) -> Option<String> {
        let Self { id, nodes, .. } = self;
        let theirs = format!(
            "the carrier of {} on {} (process {})",
            other.id, other.host, other.pid
        );
        let is_newer =
            (self.is_settled, &self.incarnation) < (other.is_settled, &other.incarnation);
        if other.incarnation == self.incarnation || !is_newer {
            None
        } else if other.id == *id {
            Some(format!(
                "there is a node {id} in this cluster already, and one alone can be: {theirs}. \
                 End that one, or give this one another --id or --cluster"
            ))
        } else if other.nodes != *nodes {
            Some(format!(
                "this carrier has --nodes {}, and {theirs} has --nodes {}. All carriers of a \
                 cluster need the same nodes in the same order: end those that have other ones, \
                 or give this one another --cluster",
                nodes.join(","),
                other.nodes.join(",")
            ))
        } else {
            None
        }
    }
}
