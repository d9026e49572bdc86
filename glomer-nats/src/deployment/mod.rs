#![doc = include_str!("page.md")]
//!
//! ```sh
#![doc = include_str!("environment")]
//! ```
#![doc = include_str!("servers.md")]
//!
//! ```text
#![doc = include_str!("nats-server.conf")]
//! ```
//!
//! `/etc/systemd/system/nats-server.service`:
//!
//! ```ini
#![doc = include_str!("nats-server.service")]
//! ```
#![doc = include_str!("nodes.md")]
//!
//! `/etc/systemd/system/glomer-node@.service`:
//!
//! ```ini
#![doc = include_str!("glomer-node@.service")]
//! ```
//!
//! `/etc/systemd/system/glomer-services.service`:
//!
//! ```ini
#![doc = include_str!("glomer-services.service")]
//! ```
#![doc = include_str!("rest.md")]
//!
//! ```yaml
#![doc = include_str!("compose.yaml")]
//! ```
