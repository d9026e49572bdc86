//! The workbench behind the `glomer` command: runs nodes against a simulated network and checks
//! what they did.

pub mod checker;
pub mod cli;
pub mod command;
pub mod edn;
pub mod failures;
pub mod history;
pub mod report;
pub mod results;
pub mod run;
pub mod store;
mod test;
pub mod verdict;
pub mod workload;

pub use cli::Cli;
pub use test::{Test, Tested, Tests};

/// What a file with a workload of one's own uses.
///
/// `Message` and `Error` are those of the runtime, `Serialize` and `Deserialize` serde's.
pub mod prelude {
    pub use crate::Cli;
    pub use crate::checker::{Effect, Model, linearizable, sequentially_consistent};
    pub use crate::history::typed::{History, Operation, Outcome};
    pub use crate::verdict::{Validity, Verdict};
    pub use crate::workload::{Client, Errors, FinalStep, FinalTurn, Setting, Turn, Workload};
    pub use glomer_runtime::{Error, Message};
    pub use serde::{Deserialize, Serialize};
}
