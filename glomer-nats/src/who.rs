//! Which node is carried, and where.

use std::net::SocketAddr;

use async_nats::Client;

use crate::carrier::{Carrier, Identity};
use crate::cli::Place;
use crate::metrics::Metrics;
use crate::wire::Wire;
use crate::{Name, Result};

/// Which node, in which cluster.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Who {
    #[command(flatten)]
    place: Place,

    /// What the node is called
    #[arg(long, value_name = "NAME", env = "GLOMER_ID")]
    id: Name,

    /// All nodes of the cluster, in an order that is the same for each of them
    #[arg(
        long,
        value_name = "NAMES",
        env = "GLOMER_NODES",
        value_delimiter = ',',
        required = true
    )]
    nodes: Vec<Name>,

    /// Refuse the faults that `glomer-nats test` asks for
    #[arg(long)]
    no_faults: bool,

    /// Where to serve metrics for Prometheus, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR", env = "GLOMER_METRICS")]
    metrics: Option<SocketAddr>,
}

impl Who {
    /// Connects, serves the metrics, and says that the node is there.
    ///
    /// # Errors
    /// If the names contradict each other, there is no connection, or the metrics' address is
    /// taken.
    pub(crate) async fn come(self) -> Result<(Wire, Carrier)> {
        let identity = Identity::new(self.place.cluster(), self.id, self.nodes)?;
        let metrics = Metrics::default();
        if let Some(address) = self.metrics {
            metrics.serve(address, identity.id.as_str())?;
        }
        let name = format!("node {} of {}", identity.id, identity.cluster.name());
        let client = self.place.server.connect(name).await?;
        carry(client, identity, !self.no_faults, metrics).await
    }
}

/// Says that a node is there, on a connection.
pub(crate) async fn carry(
    client: Client,
    identity: Identity,
    obeys_faults: bool,
    metrics: Metrics,
) -> Result<(Wire, Carrier)> {
    let max_payload = client.max_payload();
    let wire = Wire::open(client, &identity).await?;
    let carrier = Carrier::new(identity, obeys_faults, max_payload, metrics);
    Ok((wire, carrier))
}
