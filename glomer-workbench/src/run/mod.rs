//! A run: processes, network, clients and nemesis under one clock.

pub mod journal;
