//! The challenges of the examples, run in the simulator under faults.
//!
//! Each example names its tests as a module of its own, in a file beside this
//! one, so the tests drive the very source of the example.

// The `main` of the examples is not called here, and each names what its tests
// share with others, so that it can be tested alone.
#![allow(dead_code, clippy::duplicate_mod)]

#[path = "../../examples/echo.rs"]
mod echo;
#[path = "../../examples/g_counter.rs"]
mod g_counter;
#[path = "../../examples/g_set.rs"]
mod g_set;
#[path = "../../examples/kafka.rs"]
mod kafka;
#[path = "../../examples/kafka_efficient.rs"]
mod kafka_efficient;
#[path = "../../examples/kafka_single.rs"]
mod kafka_single;
#[path = "../../examples/lin_kv/main.rs"]
mod lin_kv;
#[path = "../../examples/pn_counter.rs"]
mod pn_counter;
#[path = "../../examples/txn_rw_register.rs"]
mod txn_rw_register;
#[path = "../../examples/unique_ids.rs"]
mod unique_ids;
