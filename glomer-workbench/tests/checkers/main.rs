//! The checkers, on small histories with one known anomaly each and on right ones beside them,
//! and on thousands of generated ones.

mod counter;
mod echo;
mod generated;
mod kafka;
mod lin_kv;
mod linearizability;
mod models;
mod order;
mod set_full;
mod stats;
mod support;
mod txn;
mod unique_ids;
