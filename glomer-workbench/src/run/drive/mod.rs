//! What has the nodes of a run, and its time.

#[cfg(feature = "command")]
pub mod by_turns;
#[cfg(feature = "command")]
pub(crate) mod disks;
pub mod in_process;
#[cfg(feature = "command")]
mod logs;
#[cfg(feature = "command")]
mod nodes;
#[cfg(feature = "command")]
pub mod processes;
mod turns;
mod virtual_time;

#[cfg(feature = "command")]
pub(crate) use nodes::Nodes;
#[cfg(feature = "command")]
pub use nodes::{Elsewhere, fits};
pub use turns::TURN_LATENCY;
