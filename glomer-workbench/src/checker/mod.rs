//! Checkers: what a history says about the system that made it.
//!
//! Each workload has its checker, in a module of its own; every history is also looked at for
//! how many operations of each kind succeeded, for [`availability`], and for clients that
//! crashed. Their verdicts have the figures that Maelstrom prints, name for name.

mod availability;
mod consistency;
pub(crate) mod counter;
mod exceptions;
pub(crate) mod kafka;
pub(crate) mod order;
pub(crate) mod set_full;
mod stats;
pub(crate) mod txn;
mod unique;

pub use availability::{Availability, availability};
pub use consistency::ConsistencyModel;
pub use counter::{CounterOp, counter};
#[doc(hidden)]
pub use exceptions::exceptions;
pub use order::{Effect, Model, linearizable, sequentially_consistent};
pub use set_full::{SetOp, set_full};
#[doc(hidden)]
pub use stats::stats;
pub use txn::{ListOp, RegisterOp, list_append, rw_register};
pub use unique::unique;

pub use crate::verdict::{Validity, Verdict, merge_validity};
