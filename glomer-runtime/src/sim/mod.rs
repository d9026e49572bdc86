//! A simulated network in virtual time.

mod latency;
mod network;
pub mod service;

pub use latency::Latency;
pub use network::{Address, Dropped, Event, MessageId, Network, Outcome, Role};

use std::time::Duration;

/// A duration of so many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A duration of so many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
