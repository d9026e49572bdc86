//! The `glomer` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    glomer_workbench::cli::main()
}
