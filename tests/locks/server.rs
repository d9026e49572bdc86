//! A node of the lock service. With the argument `each`, it keeps locks of its own.

mod handlers;

use handlers::Server;

fn main() -> std::process::ExitCode {
    let each = std::env::args().any(|arg| arg == "each");
    glomer_runtime::run_with(move |_| Server {
        each,
        ..Server::default()
    })
}
