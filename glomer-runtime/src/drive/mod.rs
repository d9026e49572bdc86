//! What drives a node in the real world.

mod stdio;

pub use self::stdio::{run, run_with};
