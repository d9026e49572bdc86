//! What has the nodes of a run, and its time.

#[cfg(feature = "command")]
pub mod by_turns;
#[cfg(feature = "command")]
pub(crate) mod disks;
pub mod in_process;
#[cfg(feature = "command")]
mod logs;
#[cfg(feature = "command")]
pub mod processes;
mod turns;
mod virtual_time;

pub use turns::TURN_LATENCY;
