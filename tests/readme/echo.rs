use glomer_runtime::prelude::*;

#[handler("echo", reply = "echo")]
fn echo(echo: String) -> String {
    echo
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<()>()
}
