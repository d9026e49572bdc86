//! The commands of `glomer`, each with its options.

pub mod bench;
pub mod check;
pub mod options;
pub mod program;
pub mod serve;
pub mod test;
