//! A run: processes, network, clients and nemesis under one clock.
//!
//! One thread does it all: it asks the [`engine`](engine::Engine) what to do, does it, and
//! waits for the nodes' output or the engine's next deadline.

mod alarm;
pub mod clients;
mod driver;
pub mod engine;
pub mod journal;
pub mod nemesis;
pub mod node_errors;
pub mod pace;
pub mod plan;
pub mod problem;
pub mod process;
pub mod progress;
pub mod stderr;
pub mod threads;
pub mod wire;

pub use driver::{Run, fits, run};
