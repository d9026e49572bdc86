//! `glomer-nats call`: one question to one node.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use serde::Deserialize;

use crate::cli::Place;
use crate::{Name, Result};

/// What to ask whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node
    #[arg(value_name = "NODE")]
    node: Name,

    /// The body of the request, such as '{"type": "read"}'
    #[arg(value_name = "BODY")]
    body: String,

    /// How long to wait for the reply, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    timeout: u64,

    #[command(flatten)]
    place: Place,
}

/// What tells a body that says no.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// Asks, and prints the body of the reply. The exit code is 1 if it is an error.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { node, body, .. } = args;
    serde_json::from_str::<Kind<'_>>(&body).map_err(|error| {
        format!("this is no body: {error}. Write a JSON object with a `type`, such as '{{\"type\": \"read\"}}'")
    })?;
    let subject = args.place.cluster().node(node.as_str())?;
    let client = args.place.server.connect("glomer-nats call").await?;
    let timeout = Duration::from_millis(args.timeout);
    let request = Request::new().payload(body.into()).timeout(Some(timeout));
    let reply = client.send_request(subject, request).await;
    let reply = reply.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => format!(
            "nobody carries the node {node} of the cluster {cluster}; start it with \
             `glomer-nats node --cluster {cluster} --id {node} …`, or name another with --cluster",
            cluster = args.place.cluster,
        ),
        RequestErrorKind::TimedOut => format!(
            "{node} did not answer within {timeout:?}: what was asked may have happened or not, \
             and --timeout waits longer"
        ),
        _ => format!("{node} was not asked: {error}"),
    })?;
    let mut line = reply.payload.to_vec();
    line.push(b'\n');
    std::io::stdout().write_all(&line)?;
    let answer = serde_json::from_slice::<Kind<'_>>(&reply.payload);
    Ok(match answer {
        Ok(answer) if answer.kind != "error" => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
