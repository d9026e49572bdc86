//! A node of the lock service. With the argument `trusting-its-clock` it does so, which is wrong.

use glomer_runtime::Stdio;
use locks::Server;

fn main() -> std::process::ExitCode {
    let trusting = std::env::args().any(|arg| arg == "trusting-its-clock");
    // Locks that nobody needs to keep for longer than the nodes live can do without a disk.
    Stdio::new().disk_or_memory().run_with(move |_| {
        if trusting {
            Server::trusting_its_clock()
        } else {
            Server::default()
        }
    })
}
