//! A node of the lock service.

mod handlers;

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<handlers::Server>()
}
