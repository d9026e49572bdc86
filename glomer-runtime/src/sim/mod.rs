//! Whole clusters in virtual time.

mod check;
mod cluster;
mod history;
mod journal;
mod latency;
mod network;
mod packet;
pub mod service;
mod traffic;

pub use check::check;
pub use cluster::{Builder, Cluster};
pub use history::{Operation, Pending};
pub use journal::{Entry, Journal, What};
pub use latency::Latency;
pub use network::{Address, Dropped, Event, MessageId, Network, Outcome, Role};
pub use traffic::{Tally, Traffic};

use std::time::Duration;

/// A duration of so many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A duration of so many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
