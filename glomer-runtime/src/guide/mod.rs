//! From echo to Raft and beyond: how to write nodes with this crate, and how to find out
//! whether they are right.
//!
//! Each chapter builds on the one before, and each ends where its example in the
//! repository begins: a whole program for one of the [Gossip Glomers] challenges.
//!
//! 1. [`echo`][]: a node is a function.
//! 2. [`state`][]: what a node knows, and unique ids.
//! 3. [`broadcast`][]: messages between nodes, and tests that break the network.
//! 4. [`waiting`][]: rpc, key-value stores, and what to do when no answer comes.
//! 5. [`disk`][]: what survives a crash.
//! 6. [`transactions`][]: available whatever happens.
//! 7. [`consensus`][]: Raft.
//! 8. [`own`][]: your own protocol.
//!
//! And for those who write such crates for other languages: [`clock`][], how a process
//! lives in virtual time.
//!
//! All the code here is compiled and run with the tests of the crate, or stands word for word
//! in an example that is.
//!
//! [Gossip Glomers]: https://fly.io/dist-sys/

#[doc = include_str!("echo.md")]
pub mod echo {}

#[doc = include_str!("state.md")]
pub mod state {}

#[doc = include_str!("broadcast.md")]
pub mod broadcast {}

#[doc = include_str!("waiting.md")]
pub mod waiting {}

#[doc = include_str!("disk.md")]
pub mod disk {}

#[doc = include_str!("transactions.md")]
pub mod transactions {}

#[doc = include_str!("consensus.md")]
pub mod consensus {}

#[doc = include_str!("own.md")]
pub mod own {}

#[doc = include_str!("clock.md")]
pub mod clock {}
