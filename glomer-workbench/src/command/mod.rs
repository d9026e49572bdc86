//! The commands of `glomer`, each with its options.

mod attempt;
pub mod bench;
pub mod challenge;
pub mod check;
mod listed;
pub mod new;
pub mod options;
pub mod program;
mod search;
mod seeds;
pub mod serve;
pub mod shrink;
mod summary;
mod tally;
pub mod test;
