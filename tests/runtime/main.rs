//! The runtime, through its public API: in one program, and not in the runtime's own package, since
//! what is optimised there, so that simulations run fast, would take minutes to build here.

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
