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
pub mod verdict;
pub mod workload;
