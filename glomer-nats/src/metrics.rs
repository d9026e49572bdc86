//! What a carrier counts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tiny_http::{Header, Response, Server};

use crate::Result;
use crate::control::Drop;

/// Counters of one carrier.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Messages that were given to the node.
    pub(crate) received: Counter,
    /// Messages that the node sent.
    pub(crate) sent: Counter,
    dropped: Family<[(&'static str, &'static str); 1], Counter>,
    /// Times that the node ended by itself and was started again.
    pub(crate) restarts: Counter,
    /// From when the node was given a client's request until it answered, in seconds.
    pub(crate) handler_time: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            received: Counter::default(),
            sent: Counter::default(),
            dropped: Family::default(),
            restarts: Counter::default(),
            // From 10 µs to 40 s.
            handler_time: Histogram::new(exponential_buckets(1e-5, 4.0, 12)),
        }
    }
}

impl Metrics {
    /// Counts a message that went no further.
    pub(crate) fn dropped(&self, why: Drop) {
        self.dropped.get_or_create(&[("why", why.name())]).inc();
    }

    /// Serves them at `http://address/metrics`, for the node `id`.
    ///
    /// # Errors
    /// If one cannot listen there.
    pub(crate) fn serve(&self, address: SocketAddr, id: &str) -> Result<()> {
        let registry = Arc::new(self.registry(id));
        let server = Server::http(address).map_err(|error| {
            format!("--metrics {address}: {error}; another address may be free")
        })?;
        tracing::info!("metrics at http://{}/metrics", server.server_addr());
        thread::spawn(move || {
            for request in server.incoming_requests() {
                // Whoever asked and went away needs no answer.
                let _: io::Result<()> = request.respond(page(&registry));
            }
        });
        Ok(())
    }

    fn registry(&self, id: &str) -> Registry {
        let node = ("node".into(), id.to_owned().into());
        let mut registry = Registry::with_prefix_and_labels("glomer", [node].into_iter());
        registry.register(
            "messages_received",
            "Messages that were given to the node",
            self.received.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages that the node sent",
            self.sent.clone(),
        );
        registry.register(
            "messages_dropped",
            "Messages that were not carried further, by reason",
            self.dropped.clone(),
        );
        registry.register(
            "restarts",
            "Times that the node ended by itself and was started again",
            self.restarts.clone(),
        );
        registry.register(
            "handler_seconds",
            "From when the node was given a client's request until it answered",
            self.handler_time.clone(),
        );
        registry
    }
}

fn page(registry: &Registry) -> Response<io::Cursor<Vec<u8>>> {
    let mut text = String::new();
    encode(&mut text, registry).expect("a string takes all that is written");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let header = Header::from_bytes("Content-Type", kind).expect("it is ASCII");
    Response::from_string(text).with_header(header)
}
