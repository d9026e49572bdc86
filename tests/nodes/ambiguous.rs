//! A node that cannot start: two handlers for one type.

use glomer_runtime::prelude::*;

#[handler("echo", message = First)]
fn first() {}

#[handler("echo", message = Second)]
fn second() {}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<()>()
}
