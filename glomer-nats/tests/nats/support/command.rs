//! The `glomer-nats` command.

use std::process::Command;

/// What a command that has ended told.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command with these arguments, and an environment that does not tell it where to connect.
pub(crate) fn glomer_nats(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glomer-nats"));
    command
        .args(args)
        .env_remove("NATS_URL")
        .env("NO_COLOR", "1");
    command
}

impl Output {
    /// Runs the command to its end.
    pub(crate) fn of(args: &[&str]) -> Self {
        let output = glomer_nats(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
