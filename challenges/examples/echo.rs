//! Challenge 1, echo: answer every `echo` with what it brought.
//!
//! Workbench: cargo glomer test -w echo --example echo --node-count 1 --time-limit 10
//! Maelstrom: maelstrom test -w echo --bin target/release/examples/echo --node-count 1 --time-limit 10
//!
//! A handler without a state parameter belongs to the node whose state is `()`.

use glomer_runtime::prelude::*;
use serde_json::Value;

#[handler("echo", reply = "echo")]
fn echo(echo: Value) -> Value {
    echo
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<()>()
}

#[cfg(test)]
#[path = "../tests/challenges/echo.rs"]
mod tests;
