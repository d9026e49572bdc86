//! The commands of `glomer`, each with its options.

pub mod program;
pub mod test;
