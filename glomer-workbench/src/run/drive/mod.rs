//! What has the nodes of a run, and its time.

pub mod in_process;
#[cfg(feature = "command")]
pub mod processes;
mod turns;

pub use turns::TURN_LATENCY;
