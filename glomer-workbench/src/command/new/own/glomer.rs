//! `glomer`, and the workload of this crate.

#[path = "../tests/tickets/workload.rs"]
mod workload;

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new()
        .workload(workload::Tickets)
        .run()
}
