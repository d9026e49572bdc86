//! Who counts.
//!
//! A node that was killed is the one it was, since its disk has what it voted and
//! what it was given to keep. One that has lost its disk, or has none, has
//! forgotten all that, and must not pass for the one it was. Each disk therefore
//! has a random number, the run, and a [`Roster`] says which run counts for each
//! node.
//!
//! The first roster comes from a [`Formation`]. Later ones are entries of the
//! log: when a node greets with a run that is not in it, the leader proposes a
//! roster with the new run. From then on the old one counts no more, and once
//! the entry is committed, by a majority without that node, the new one does. By
//! then it has every entry that the old one can have helped to commit; and to
//! elect a leader that still counts the old one would take one of that majority,
//! which gives no vote to a log without the entry.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use super::raft::FORMATION;

/// The run that counts for each node.
pub(crate) type Roster = BTreeMap<String, u64>;

/// How the nodes of a new cluster agree on the first roster.
///
/// Each node greets all others and notes of each the first run that it hears of,
/// and never another. It begins to vote when all others have noted the very same
/// runs. Since a node that belongs to a cluster notes nobody any more, this can
/// happen only where all nodes were new at the same time, and to all alike.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Formation {
    pub(crate) roster: Roster,
    agreed: BTreeSet<String>,
}

impl Formation {
    pub(crate) fn meet(&mut self, cx: &Context, node: &str, run: u64) {
        if !self.roster.contains_key(node) {
            self.roster.insert(node.to_owned(), run);
            cx.disk().put(FORMATION, self);
        }
    }

    /// Takes note of what another node has noted.
    pub(crate) fn compare(&mut self, cx: &Context, node: &str, noted: &Roster, nodes: usize) {
        if let Some(run) = noted.get(node) {
            self.meet(cx, node, *run);
        }
        let agrees = self.roster.len() == nodes && self.roster == *noted;
        if agrees && self.agreed.insert(node.to_owned()) {
            cx.disk().put(FORMATION, self);
        }
    }

    pub(crate) fn is_complete(&self, nodes: usize) -> bool {
        self.agreed.len() + 1 == nodes
    }
}
