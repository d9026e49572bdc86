//! The `glomer` command.

use std::process::ExitCode;

use glomer_workbench::Cli;

fn main() -> ExitCode {
    Cli::new().run()
}
