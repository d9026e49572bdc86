//! The `glomer` command.

fn main() {}
