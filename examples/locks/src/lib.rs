//! A lock service with leases: a worked example of a protocol of one's own, from its messages
//! to its tests. The guide of `glomer_runtime` walks through it.
//!
//! [`server`] is what a node does, [`workload`] what clients ask of it and what must hold.

pub mod server;
pub mod workload;

pub use server::Server;
pub use workload::Locks;
