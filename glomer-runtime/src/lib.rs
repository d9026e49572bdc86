//! The runtime of Glomer.

pub mod rng;
pub mod sim;
