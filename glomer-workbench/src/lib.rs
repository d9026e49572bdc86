//! The workbench behind the `glomer` command: runs nodes against a simulated network and checks
//! what they did.
//!
//! The feature `command`, on by default, is all that the command needs beside the engine: its
//! options, nodes that are processes, the report and the store. A crate that tests its nodes in
//! its own process, with [`Test`], builds less without:
//!
//! ```toml
//! [dev-dependencies]
//! glomer-workbench = { version = "0.1", default-features = false }
//! ```
//!
//! [`guide`] says how to use the command, and [`workload`] how to write a workload of one's own.
//!
//! # What is promised
//!
//! What a workload, its test and its command need is documented here, and keeps to semantic
//! versioning: [`Workload`](workload::Workload), [`Test`], `Cli`, the [checkers](checker), what
//! they read ([`history::typed`]) and give ([`verdict`]), [faults](run::nemesis), and
//! [schedules](run::schedule). What else is public serves Glomer's own commands and may change
//! with any version.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod checked;
pub mod checker;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod cli;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod command;
pub mod edn;
#[doc(hidden)]
pub mod failures;
#[doc = include_str!("guide.md")]
pub mod guide {}
pub mod history;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod report;
#[doc(hidden)]
pub mod results;
pub mod run;
#[cfg(feature = "command")]
mod say;
#[doc(hidden)]
pub mod shrink;
#[doc(hidden)]
#[cfg(feature = "command")]
pub mod store;
mod test;
pub mod verdict;
#[doc(hidden)]
pub mod why;
pub mod workload;

#[cfg(feature = "command")]
pub use cli::Cli;
pub use shrink::Shrunk;
pub use test::{Test, Tested, Tests};

/// What a file with a workload of one's own uses.
///
/// `Message` and `Error` are those of the runtime, `Serialize` and `Deserialize` serde's.
pub mod prelude {
    #[cfg(feature = "command")]
    pub use crate::Cli;
    pub use crate::checker::{
        ConsistencyModel, CounterOp, Effect, ListOp, Model, RegisterOp, SetOp, counter,
        linearizable, list_append, rw_register, sequentially_consistent, set_full, unique,
    };
    pub use crate::history::typed::{History, Operation, Outcome};
    pub use crate::verdict::{Reason, Validity, Verdict};
    pub use crate::workload::{Client, Errors, FinalStep, FinalTurn, Setting, Turn, Workload};
    pub use glomer_runtime::{Error, Message};
    pub use serde::{Deserialize, Serialize};
}
