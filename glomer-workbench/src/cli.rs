//! The command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};

use crate::command;

/// Run and check nodes that speak Maelstrom's protocol, in any language.
#[derive(Debug, Parser)]
#[command(name = "glomer", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run nodes against a simulated network, and check what they did
    Test(Box<command::options::Options>),
    /// Check a history, from wherever it is
    Check(command::check::Args),
    /// Show the runs that are kept in a browser
    Serve(command::serve::Args),
    /// Measure what the workbench itself costs on this machine
    Bench(command::bench::Args),
}

/// The exit code for bad usage, and for runs that could not be completed.
pub const FAILURE: u8 = 255;

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written, unless whoever reads it has seen enough.
pub(crate) fn print(line: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error, if anyone is left to hear it.
pub(crate) fn tell(text: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            // Of an unknown option clap supposes that it might be meant for the node.
            error.remove(ContextKind::Suggested);
            let asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // Nobody is left to hear it if this fails.
            let _ = error.print();
            return if asked_for {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FAILURE)
            };
        }
    };
    let done = match cli.command {
        Command::Test(args) => command::test::run(&args),
        Command::Check(args) => command::check::run(&args),
        Command::Serve(args) => command::serve::run(&args),
        Command::Bench(args) => command::bench::run(&args),
    };
    done.unwrap_or_else(|error| {
        tell(&format_args!("error: {error}"));
        ExitCode::from(FAILURE)
    })
}
