//! The workbench behind the `glomer` command: runs nodes against a simulated network and checks
//! what they did.

pub mod run;
