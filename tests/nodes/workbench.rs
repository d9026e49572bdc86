//! `glomer`, with one workload more.

fn main() -> std::process::ExitCode {
    glomer_workbench::Cli::new()
        .workload(glomer_tests::locks::Locks)
        .run()
}
