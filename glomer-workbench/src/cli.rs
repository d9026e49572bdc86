//! The command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command;
use crate::workload::{AnyWorkload, Workload, Workloads};

/// Run and check nodes that speak Maelstrom's protocol, in any language.
#[derive(Debug, Parser)]
#[command(name = "glomer", version, propagate_version = true)]
struct Arguments {
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

/// The `glomer` command, with Maelstrom's workloads and those that are added to it.
///
/// A `main` that gives a command of one's own all that `glomer` does, with one workload
/// more:
///
/// ```no_run
/// use glomer_workbench::Cli;
/// # use glomer_workbench::workload::Echo as Locks;
///
/// fn main() -> std::process::ExitCode {
///     Cli::new().workload(Locks).run()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cli {
    workloads: Workloads,
}

impl Cli {
    /// The command with Maelstrom's workloads.
    pub fn new() -> Cli {
        Cli::default()
    }

    /// Adds a workload, in place of one with the same name.
    #[must_use]
    pub fn workload(mut self, workload: impl Workload) -> Cli {
        self.workloads.add(AnyWorkload::new(workload));
        self
    }

    /// Runs the command line of this process.
    pub fn run(self) -> ExitCode {
        run(&self.workloads)
    }
}

/// The grammar of the command line, with these workloads.
fn grammar(workloads: &Workloads) -> clap::Command {
    let names = workloads
        .iter()
        .map(|workload| PossibleValue::new(workload.name()).help(workload.about()));
    let names: Vec<PossibleValue> = names.collect();
    let with_names = |command: clap::Command| {
        command.mut_arg("workload", |arg| {
            arg.value_parser(PossibleValuesParser::new(names.clone()))
        })
    };
    Arguments::command()
        .mut_subcommand("test", with_names)
        .mut_subcommand("check", with_names)
}

fn run(workloads: &Workloads) -> ExitCode {
    let parsed = grammar(workloads)
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let cli = match parsed {
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
        Command::Test(args) => command::test::run(&args, workloads),
        Command::Check(args) => command::check::run(&args, workloads),
        Command::Serve(args) => command::serve::run(&args),
        Command::Bench(args) => command::bench::run(&args),
    };
    done.unwrap_or_else(|error| {
        tell(&format_args!("error: {error}"));
        ExitCode::from(FAILURE)
    })
}
