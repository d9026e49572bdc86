//! The runtime, through its public API: in one program, and not in the runtime's own package, all of
//! which is optimised so that simulations run fast; tests take several times as long to build then.

mod r#async;
mod disk;
mod json;
mod json_agreement;
mod lines;
mod mock;
mod sim_check;
mod sim_clock;
mod sim_cluster;
mod sim_network;
mod sim_properties;
mod sim_service;
mod store;
mod turns;
