//! The command line.

use std::io;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::command;
use crate::command::options::Options;
use crate::results::FAILURE;
use crate::say::{print_all, tell};
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
    /// Make a crate: a node, its test, and how to run it
    New(command::new::Args),
    /// Run a Gossip Glomers challenge with its official options and targets
    Challenge(command::challenge::Args),
    /// Run nodes against a simulated network, and check what they did
    Test(Box<command::test::Args>),
    /// Search for the smallest run that fails as a kept one did
    Shrink(command::shrink::Args),
    /// Check a history, from wherever it is
    Check(command::check::Args),
    /// Show the runs that are kept in a browser
    Serve(command::serve::Args),
    /// Measure what the workbench itself costs on this machine
    Bench(command::bench::Args),
    /// Print what a shell needs to complete commands and options
    Completions {
        /// The shell; `glomer completions bash > ~/.local/share/bash-completion/completions/glomer`
        shell: Shell,
    },
    /// Print the manual page of `glomer`, or of one of its commands
    Man {
        /// The command
        command: Option<String>,
    },
}

/// What is wrong with an argument that was to be an option and begins with another dash than
/// options do, as word processors and web pages make one of two hyphens.
fn wrong_dash(arg: &str) -> Option<String> {
    let is_dash = |c: char| {
        matches!(
            c,
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
        )
    };
    let dashes: String = arg
        .chars()
        .take_while(|c| *c == '-' || is_dash(*c))
        .collect();
    let wrong = dashes.chars().find(|c| is_dash(*c))?;
    let name = &arg[dashes.len()..];
    let right = if name.chars().count() > 1 { "--" } else { "-" };
    Some(format!(
        "{arg} begins with a dash that is not a hyphen (U+{:04X}), as pages write it that were \
         made for reading; type {right}{name}",
        u32::from(wrong)
    ))
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
pub fn grammar(workloads: &Workloads) -> clap::Command {
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
        // A challenge finds its program by itself, unless one is named.
        .mut_subcommand("challenge", |command| {
            command.mut_group("Program", |program| program.required(false))
        })
}

/// Prints what a shell needs.
fn completions(shell: Shell, workloads: &Workloads) -> io::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar(workloads), "glomer", &mut script);
    print_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a manual page, for `man -l -`.
fn manual(command: Option<&str>, workloads: &Workloads) -> io::Result<ExitCode> {
    let mut grammar = grammar(workloads);
    grammar.build();
    let page = match command {
        None => grammar,
        Some(name) => grammar.find_subcommand(name).cloned().ok_or_else(|| {
            let names = grammar.get_subcommands().map(clap::Command::get_name);
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            io::Error::other(format!(
                "no command is called {name}, there are {}",
                names.join(", ")
            ))
        })?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    print_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The options of the `glomer test` that has these arguments.
///
/// # Errors
/// If it is another command, or options are wrong.
pub(crate) fn options(words: &[String], workloads: &Workloads) -> io::Result<Options> {
    let command = ["glomer".to_owned()]
        .into_iter()
        .chain(words.iter().cloned());
    let parsed = grammar(workloads).try_get_matches_from(command);
    let parsed = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed.map_err(io::Error::other)?.command {
        Command::Test(args) => Ok(Options {
            words: words.to_vec(),
            ..args.options
        }),
        _ => Err(io::Error::other(format!(
            "`glomer {}` is no test of nodes",
            words.join(" ")
        ))),
    }
}

fn run(workloads: &Workloads) -> ExitCode {
    let own = std::env::args().skip(1).take_while(|arg| arg != "--");
    for arg in own {
        if let Some(wrong) = wrong_dash(&arg) {
            tell(&format!("error: {wrong}"));
            return ExitCode::from(FAILURE);
        }
    }
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
        Command::Challenge(args) => command::challenge::run(&args, workloads),
        Command::New(args) => command::new::run(&args),
        Command::Test(mut args) => {
            args.options.words = std::env::args().skip(1).collect();
            command::test::run(&args, workloads)
        }
        Command::Shrink(args) => command::shrink::run(&args, workloads),
        Command::Check(args) => command::check::run(&args, workloads),
        Command::Serve(args) => command::serve::run(&args),
        Command::Bench(args) => command::bench::run(&args),
        Command::Completions { shell } => completions(shell, workloads),
        Command::Man { command } => manual(command.as_deref(), workloads),
    };
    done.unwrap_or_else(|error| {
        tell(&format_args!("error: {error}"));
        ExitCode::from(FAILURE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_that_is_no_hyphen_is_named() {
        for (arg, right) in [
            ("–-nemesis", "type --nemesis"),
            ("—nemesis", "type --nemesis"),
            ("−w", "type -w"),
            ("-\u{2010}rate=5", "type --rate=5"),
        ] {
            let text = wrong_dash(arg).unwrap();
            assert!(
                text.contains("not a hyphen (U+2") && text.ends_with(right),
                "{text}"
            );
        }
        for arg in ["--nemesis", "-w", "-5", "a–b", "", "-"] {
            assert_eq!(wrong_dash(arg), None, "{arg}");
        }
    }
}
