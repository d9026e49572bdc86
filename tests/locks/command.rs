//! `glomer` with one workload more.

mod handlers;
mod workload;

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new().workload(workload::Locks).run()
}
