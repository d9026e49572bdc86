#![doc = include_str!("README.md")]
//!
//! # The files
//!
//! `environment`:
//!
//! ```sh
#![doc = include_str!("environment")]
//! ```
//!
//! `nats-server.conf`:
//!
//! ```text
#![doc = include_str!("nats-server.conf")]
//! ```
//!
//! `nats-server.service`:
//!
//! ```ini
#![doc = include_str!("nats-server.service")]
//! ```
//!
//! `glomer-services.service`:
//!
//! ```ini
#![doc = include_str!("glomer-services.service")]
//! ```
//!
//! `glomer-node@.service`:
//!
//! ```ini
#![doc = include_str!("glomer-node@.service")]
//! ```
//!
//! `compose.yaml`:
//!
//! ```yaml
#![doc = include_str!("compose.yaml")]
//! ```
