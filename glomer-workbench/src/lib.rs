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

pub mod checked;
pub mod checker;
#[cfg(feature = "command")]
pub mod cli;
#[cfg(feature = "command")]
pub mod command;
pub mod edn;
pub mod failures;
pub mod history;
#[cfg(feature = "command")]
pub mod report;
pub mod results;
pub mod run;
#[cfg(feature = "command")]
mod say;
pub mod shrink;
#[cfg(feature = "command")]
pub mod store;
mod test;
pub mod verdict;
pub mod why;
pub mod workload;

#[cfg(feature = "command")]
pub use cli::Cli;
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
