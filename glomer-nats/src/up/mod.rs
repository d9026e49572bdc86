//! `glomer-nats up`: all of it on one machine, for a try.

mod server;

use std::process::ExitCode;
use std::time::Duration;

use async_nats::{Client, RequestErrorKind};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::sleep;

use self::server::Server;
use crate::carrier::Identity;
use crate::cli::Place;
use crate::control::{Life, Reply, Request};
use crate::metrics::Metrics;
use crate::node::{self, Program};
use crate::services::{self, Services};
use crate::{Cluster, Name, Result, ends, who};

/// How long to wait between two looks whether a node is ready.
const LOOK: Duration = Duration::from_millis(50);

/// How many nodes, and of what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many nodes: n1, n2, …
    #[arg(long, value_name = "NUM", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: u16,

    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    program: Program,
}

/// Runs a server if none is given, the services and the nodes, until a signal ends all of it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args {
        nodes,
        mut place,
        program,
    } = args;
    let folder = tempfile::tempdir()?;
    let _server = if place.server.is_given() {
        None
    } else {
        let server = Server::start(folder.path()).await?;
        place.server.use_server(server.url.parse()?);
        Some(server)
    };
    let cluster = place.cluster();
    let client = place.server.connect("glomer-nats up").await?;
    let options = services::Options::default();
    let services = Services::start(&client, &cluster, &options).await?;
    let names = (1..=nodes).map(|number| format!("n{number}").parse());
    let names = names.collect::<Result<Vec<Name>, _>>()?;

    let (stop, stopped) = watch::channel(false);
    let mut running = FuturesUnordered::new();
    for id in &names {
        let identity = Identity::new(cluster.clone(), id.clone(), names.clone())?;
        let client = place.server.connect(format!("node {id}")).await?;
        let (wire, carrier) = who::carry(client, identity, true, Metrics::default()).await?;
        let program = program.with_disk(folder.path().join(id.as_str()));
        let mut stopped = stopped.clone();
        running.push(node::carry(wire, carrier, program, async move {
            stopped.wait_for(|stopped| *stopped).await?;
            Ok(())
        }));
    }
    let asked = async {
        ready(&client, &cluster, &names).await?;
        introduce(&place, &names);
        std::future::pending().await
    };
    let mut done = tokio::select! {
        asked = ends::asked() => asked,
        asked = asked => asked,
        // None ends by itself but for a reason.
        Some(ended) = running.next() => ended,
    };
    stop.send(true)?;
    while let Some(ended) = running.next().await {
        done = done.and(ended);
    }
    services.stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// Waits until all nodes are ready.
async fn ready(client: &Client, cluster: &Cluster, names: &[Name]) -> Result<()> {
    let ask = serde_json::to_vec(&Request::Status)?;
    for id in names {
        loop {
            let asked = client
                .request(cluster.control(id), ask.clone().into())
                .await;
            // The server may not have heard yet of what its carrier listens to.
            let is_heard_of =
                !matches!(&asked, Err(error) if error.kind() == RequestErrorKind::NoResponders);
            if is_heard_of
                && let Reply::Status(status) = serde_json::from_slice(&asked?.payload)?
                && status.life == Life::Ready
            {
                break;
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Says what can be done now.
fn introduce(place: &Place, names: &[Name]) {
    let (first, cluster) = (&names[0], &place.cluster);
    let (count, url) = (names.len(), place.server.urls());
    // As it was called, which need not be by its name alone.
    let me = std::env::args().next();
    let me = me.as_deref().unwrap_or("glomer-nats");
    println!(
        "{count} nodes and the services run as the cluster {cluster} at {url}. In another terminal:

    {me} call {first} '{{\"type\": \"read\"}}' --server {url} --cluster {cluster}
    nats request glomer.{cluster}.node.{first} '{{\"type\": \"read\"}}' --server {url}
    {me} test -w broadcast --nemesis partition --server {url} --cluster {cluster}

Ctrl-C ends all of it."
    );
}
