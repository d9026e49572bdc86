//! Nodes with one planted mistake each, beside their mended twins.
//!
//! A node is wrong or mended by how its state is made; nothing else tells them apart.

mod broadcast;
mod counter;
mod kafka;
mod raft;

pub(crate) use self::broadcast::Gossip;
pub(crate) use self::counter::Counter;
pub(crate) use self::kafka::Logs;
pub(crate) use self::raft::{Mistake, Raft};

/// What is done with the node that has the mistake of this name: `$make` makes its state, mended
/// or not. `None` for no mistake of that name.
macro_rules! by_name {
    ($name:expr, $make:ident => $done:expr) => {
        nodes::by_name! { $name, $make => $done;
            "broadcast-does-not-retry": |mended| nodes::Gossip::new(mended, false),
            "broadcast-forgets": |mended| nodes::Gossip::new(true, mended),
            "counter-loses-adds": nodes::Counter::new,
            "lock-has-two-holders": |mended: bool| {
                if mended {
                    ::glomer_tests::locks::Server::default()
                } else {
                    ::glomer_tests::locks::Server::trusting_its_clock()
                }
            },
            "kafka-gives-an-offset-twice": nodes::Logs::new,
            "raft-acknowledges-early":
                |mended| nodes::Raft::new(nodes::Mistake::AcknowledgesEarly, mended),
            "raft-votes-twice":
                |mended| nodes::Raft::new(nodes::Mistake::VotesTwice, mended),
            "raft-counts-older-terms":
                |mended| nodes::Raft::new(nodes::Mistake::CountsOlderTerms, mended),
        }
    };
    ($name:expr, $make:ident => $done:expr; $($mistake:literal: $how:expr,)*) => {
        match $name {
            $($mistake => {
                let $make = $how;
                Some($done)
            })*
            _ => None,
        }
    };
}

pub(crate) use by_name;
