//! `glomer-nats test`: the workbench's workloads on a live cluster.
//!
//! The clients are the workbench's, and ask over NATS. The nodes are whoever is carried, on
//! whatever machines. What the nemesis wants done to a node, its [carrier](crate::control) does:
//! a partition, a one-way partition, loss, duplicates and slowness to what arrives at it, and
//! pause and kill to the node itself. Carriers that run with `--no-faults` refuse, so what is not
//! meant to be tested cannot be.
//!
//! A run begins with killing and starting every node, so that it finds none with what an earlier
//! run left in memory. With `--fresh`, it also empties what the services of the cluster hold. Disks
//! of nodes are left as they are, which is told.
//!
//! The history, the verdict and its reasons, the results and the report are those of `glomer
//! test`. The messages in them come from the carriers' journals, in the order of the Lamport
//! clocks that carriers attach to messages; what machines' own clocks say is only how it is dated.

mod carriers;
mod drive;
mod journal;

use std::process::ExitCode;

use glomer_workbench::command::options::{Clock, Options};
use glomer_workbench::command::test::run_elsewhere;
use glomer_workbench::results::FAILURE;
use glomer_workbench::workload::Workloads;
use tokio::runtime::Handle;

use self::carriers::Carriers;
use self::drive::Live;
use crate::Result;
use crate::cli::Place;

/// What to test where.
#[derive(Debug, clap::Args)]
#[command(override_usage = "glomer-nats test [OPTIONS] -w <NAME> --server <URL> --cluster <NAME>")]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,

    /// Empty what the services of the cluster hold, before each run
    #[arg(long)]
    fresh: bool,

    #[command(flatten)]
    place: Place,
}

/// The grammar of the command, without what names a program: the nodes run already.
pub(crate) fn grammar(command: clap::Command) -> clap::Command {
    let unused = [
        "bin",
        "package",
        "example",
        "args",
        "log_stderr",
        "swarm",
        "turn_latency",
        "jobs",
    ];
    let command = command.mut_group("Program", |program| program.required(false));
    unused.into_iter().fold(command, |command, name| {
        command.mut_arg(name, |arg| arg.hide(true))
    })
}

/// How a test ends that was none: to it, 1 and 2 are verdicts.
pub(crate) fn failed() -> ExitCode {
    ExitCode::from(FAILURE)
}

/// Tests the cluster, and keeps what came of it. The exit codes are those of `glomer test`.
pub(crate) async fn run(args: Args, workloads: Workloads) -> Result<ExitCode> {
    let tested = tested(args, workloads).await;
    Ok(tested.unwrap_or_else(|error| {
        eprintln!("glomer-nats: {error}");
        failed()
    }))
}

async fn tested(args: Args, workloads: Workloads) -> Result<ExitCode> {
    let Args {
        mut options,
        fresh,
        place,
    } = args;
    let here = [
        ("--clock virtual", options.clock == Clock::Virtual),
        ("--swarm", options.swarm),
        ("--log-stderr", options.log_stderr),
        (
            "--bin, --package and --example",
            !options.program.to_args().is_empty(),
        ),
    ];
    if let Some((name, _)) = here.iter().find(|(_, given)| *given) {
        return Err(format!(
            "{name} is for nodes that the workbench starts itself, with `glomer test`; these run \
             already"
        )
        .into());
    }
    let cluster = place.cluster();
    let client = place.server.connect("glomer-nats test").await?;
    let nodes = Carriers::new(client.clone(), cluster.clone())
        .nodes()
        .await?;
    let asked = options.nodes()?;
    let is_asked = options.node_count.is_some()
        || !options.nodes.is_empty()
        || !options.node.is_empty()
        || options.nodes_file.is_some();
    if is_asked && asked != nodes {
        return Err(format!(
            "the cluster {} has the nodes {}, and these cannot be chosen: leave --node-count, \
             --nodes, --node and --nodes-file out",
            cluster.name(),
            nodes.join(",")
        )
        .into());
    }
    if let Some(node) = nodes.iter().find(|node| node.starts_with('c')) {
        return Err(format!(
            "the node {node} has the name of a client: what begins with c is one to the workbench"
        )
        .into());
    }
    options.node_count = None;
    options.nodes_file = None;
    options.node = Vec::new();
    options.nodes = nodes;
    options.command = "glomer-nats";
    options.words = std::env::args().skip(1).collect();
    let live = Live {
        runtime: Handle::current(),
        client,
        cluster,
        fresh,
    };
    let run = move || run_elsewhere(&options, &workloads, &live);
    Ok(tokio::task::spawn_blocking(run).await??)
}
