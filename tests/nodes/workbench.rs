//! `glomer`, with one workload more.

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new().workload(locks::Locks).run()
}
