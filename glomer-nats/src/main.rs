//! The `glomer-nats` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    glomer_nats::Cli::new().run()
}
