//! The `glomer` command.

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new().run()
}
