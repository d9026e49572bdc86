//! The broadcast node.

fn main() {}
