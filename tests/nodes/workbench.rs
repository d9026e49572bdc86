//! `glomer`, as a command of one's own.

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new().run()
}
