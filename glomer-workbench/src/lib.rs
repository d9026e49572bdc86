//! The workbench behind the `glomer` command: runs nodes against a simulated network and checks
//! what they did.

pub mod checker;
pub mod edn;
pub mod history;
pub mod report;
pub mod run;
