//! A node with a planted mistake: its name, and `mended` for the twin without it.

mod nodes;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = args.first().map_or("", String::as_str);
    let mended = args.iter().any(|arg| arg == "mended");
    let code = nodes::by_name!(name, make => glomer_runtime::run_with(move |_| make(mended)));
    code.unwrap_or_else(|| {
        eprintln!("no mistake is called {name:?}; tests/planted/nodes/mod.rs has them");
        ExitCode::FAILURE
    })
}
