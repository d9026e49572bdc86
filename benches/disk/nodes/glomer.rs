//! Appends to a log with this framework.

use glomer_runtime::prelude::*;

#[derive(Default)]
struct Journal;

#[handler("add", reply = "number")]
fn add(_: &Journal, cx: &Context, value: u64) -> u64 {
    cx.disk().append("journal", &value)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<Journal>()
}
