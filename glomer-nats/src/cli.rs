//! The command line.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
#[cfg(feature = "test")]
use glomer_workbench::workload::{AnyWorkload, Workload, Workloads};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::connect::ServerArgs;
#[cfg(feature = "test")]
use crate::test;
use crate::{Cluster, Name, Result, call, node, services, up};

/// Run nodes that speak Maelstrom's protocol on many machines, over NATS
#[derive(Debug, Parser)]
#[command(name = "glomer-nats", version, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    log: Log,

    #[command(subcommand)]
    command: Command,
}

/// How much is told.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Log {
    /// How much to tell on standard error: off, error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info", global = true)]
    log: LevelFilter,
}

impl Log {
    pub(crate) fn level(self) -> LevelFilter {
        self.log
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program as a node: carry its messages
    Node(node::Args),
    /// Run a server, nodes and services on this machine, for a try
    Up(up::Args),
    /// Ask a node, and print its reply
    Call(call::Args),
    /// Run seq-kv, lin-kv, lww-kv and lin-tso for the nodes of a cluster
    Services(services::Args),
    /// Run a workload against the nodes of a cluster, break them, and check what they did
    #[cfg(feature = "test")]
    Test(Box<test::Args>),
}

impl Command {
    #[cfg_attr(not(feature = "test"), expect(unused_variables))]
    async fn run(self, cli: Cli) -> Result<ExitCode> {
        match self {
            Self::Node(args) => node::run(args).await,
            Self::Up(args) => up::run(args).await,
            Self::Call(args) => call::run(args).await,
            Self::Services(args) => services::run(args).await,
            #[cfg(feature = "test")]
            Self::Test(args) => test::run(*args, cli.workloads).await,
        }
    }
}

/// Which cluster, on which server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// The cluster: its nodes know each other, and hear nothing of other clusters
    #[arg(
        long,
        value_name = "NAME",
        env = "GLOMER_CLUSTER",
        default_value = "default"
    )]
    pub(crate) cluster: Name,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

impl Place {
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(self.cluster.clone())
    }
}

/// The `glomer-nats` command, which tests with Maelstrom's workloads and those that are added.
///
/// A `main` that gives a command of one's own all that `glomer-nats` does, with one workload more:
///
/// ```no_run
/// use glomer_nats::Cli;
/// # use glomer_workbench::workload::Echo as Locks;
///
/// fn main() -> std::process::ExitCode {
///     Cli::new().workload(Locks).run()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cli {
    #[cfg(feature = "test")]
    workloads: Workloads,
}

impl Cli {
    /// The command with Maelstrom's workloads.
    pub fn new() -> Cli {
        Cli::default()
    }

    /// Adds a workload, in place of one with the same name.
    #[cfg(feature = "test")]
    #[must_use]
    pub fn workload(mut self, workload: impl Workload) -> Cli {
        self.workloads.add(AnyWorkload::new(workload));
        self
    }

    /// Runs the command line of this process.
    pub fn run(self) -> ExitCode {
        let parsed = grammar().try_get_matches();
        let parsed = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
        match parsed {
            Ok(Arguments { log, command }) => block_on(log, command.run(self)),
            #[cfg(feature = "test")]
            Err(error)
                if error.use_stderr() && std::env::args().nth(1).as_deref() == Some("test") =>
            {
                // Nobody is left to hear it if this fails.
                let _ = error.print();
                test::failed()
            }
            Err(error) => error.exit(),
        }
    }
}

fn grammar() -> clap::Command {
    let grammar = Arguments::command();
    #[cfg(feature = "test")]
    let grammar = grammar.mut_subcommand("test", test::grammar);
    grammar
}

/// Does what `done` does, and tells what goes wrong. It is done in this thread; what it spawns,
/// and the connection, have others.
pub(crate) fn block_on(log: Log, done: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    let Log { log } = log;
    // What matters of the connection is told by `connect`.
    let client = if log < LevelFilter::DEBUG {
        log.min(LevelFilter::WARN)
    } else {
        log
    };
    let targets = Targets::new()
        .with_default(log)
        .with_target("async_nats", client);
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(!is_plain && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .init();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(done));
    done.unwrap_or_else(|error| {
        eprintln!("glomer-nats: {error}");
        ExitCode::FAILURE
    })
}

#[cfg(all(test, feature = "test"))]
mod tests {
    use super::grammar;

    #[test]
    fn every_command_that_is_told_is_understood() {
        let told = [
            include_str!("../../README.md"),
            include_str!("lib.rs"),
            include_str!("deployment/README.md"),
        ];
        let told = told.join("\n").replace("//! ", "").replace("\\\n", " ");
        let in_shell = told.split("```sh\n").skip(1);
        let in_shell = in_shell.filter_map(|rest| rest.split("```").next());
        let commands: Vec<&str> = in_shell
            .flat_map(str::lines)
            .filter_map(|line| {
                let from_source = line.strip_prefix("cargo run --release -p glomer-nats -- ");
                from_source.or_else(|| line.strip_prefix("glomer-nats "))
            })
            .collect();
        assert!(commands.len() >= 8, "{commands:?}");
        for command in commands {
            let words = shlex::split(command).unwrap();
            let parsed =
                grammar().try_get_matches_from(["glomer-nats".to_owned()].iter().chain(&words));
            if let Err(error) = parsed {
                panic!("glomer-nats {command}: {error}");
            }
        }
    }
}
