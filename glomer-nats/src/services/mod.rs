//! `glomer-nats services`: Maelstrom's services for the nodes of a cluster, kept in JetStream.
//!
//! `seq-kv`, `lin-kv`, `lww-kv` and `lin-tso` take the requests that Maelstrom's take, and
//! answer with the same replies and error codes. What they hold is in streams of JetStream, one
//! for each service of a cluster, and nowhere else: any number of instances may run at once, on
//! any machines, and each request goes to one of them (a queue group). An instance that dies
//! takes with it the requests that it was at, and nothing else.
//!
//! ```sh
//! glomer-nats services --server nats://10.0.0.1,nats://10.0.0.2,nats://10.0.0.3 --cluster shop
//! glomer-nats call lin-kv '{"type": "write", "key": "x", "value": 7}' --cluster shop
//! ```
//!
//! # What each promises
//!
//! | service | promise | how |
//! | --- | --- | --- |
//! | `lin-kv` | linearizable | every request, reads too, is a write to the stream under the condition that the key's latest record is still the one that the answer was made from |
//! | `seq-kv` | linearizable, which is more than sequentially consistent | the same: an instance that keeps no state cannot know what a client has seen already, so it shows nothing old to anybody |
//! | `lww-kv` | the last writer wins, and nothing more: reads may be old and go back, concurrent `cas` may both succeed | any replica of the stream answers a read; a write, and a `cas` after its read, is written without a condition |
//! | `lin-tso` | linearizable: a timestamp is greater than all that were told before it was asked for. Some are never told | the place that an empty record gets in the stream |
//!
//! A plain read of JetStream is not linearizable. A direct get is answered by any replica of the
//! stream, which may be behind; and the get that goes to the stream's leader is answered by
//! whoever believes to be the leader, without asking the others. So a value that was read is
//! only believed once the leader has taken a conditional write on top of it, which needs a
//! majority of the replicas. This costs a round trip and a small write to each replica, once for
//! all the requests for a key that arrive while another is under way. It also means that a read
//! of a key that was never written leaves an empty record behind.
//!
//! # What a client is told
//!
//! | reply | what it means |
//! | --- | --- |
//! | `read_ok`, `write_ok`, `cas_ok`, `ts_ok` | done, and kept by a majority of the stream's replicas |
//! | error 20, 22 | as with Maelstrom: the key does not exist, or has another value; as certain as `read_ok` |
//! | error 10, 12 | the service does not know the request, or cannot read it; or its key or value is too long: a key may take 1 KiB of a subject, and a value must fit into the server's `max_payload` with 1 KiB to spare |
//! | error 11 | not done, and it will not be: the stream could not be reached in time. Ask again |
//! | error 0 | nobody knows: it was sent to the stream, and no answer came in time. It may be done, or be done later, or never |
//!
//! An append to the stream without an answer is not the end: it is made once more under the same
//! condition, so that only one of the two can be taken, and what is found in the stream tells
//! which. Error 0 is left for what that cannot settle in the time that `--timeout` gives.
//!
//! # What JetStream does not promise
//!
//! - Use nats-server 2.10.23 or later: 2.10.22 lost whole streams when its process crashed.
//! - By default, JetStream acknowledges what is not on disk yet, and syncs every two minutes.
//!   When several servers lose power together, or one does while another is slow, acknowledged
//!   writes are lost. The [deployment](crate::deployment) page sets `sync_interval: always`.
//! - A data file that is damaged on one server can lose acknowledged writes of the whole stream.
//! - With fewer than three replicas, a stream does not survive the loss of a server.
//!
//! Jepsen's [analysis of NATS 2.12.1](https://jepsen.io/analyses/nats-2.12.1) tells of all
//! these. The server's
//! [documentation](https://docs.nats.io/nats-concepts/jetstream/streams) says what a stream is.

mod jetstream;
mod linear;
mod log;
mod lww;
mod pace;
#[cfg(test)]
mod tests;
mod tso;

use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message};
use futures_util::StreamExt;
use glomer_runtime::sim::service::{Json, Request, in_reply_to};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use self::jetstream::{JetStreamLog, Read};
use self::linear::Linear;
use self::lww::LastWrite;
use self::tso::Timestamps;
use crate::cli::Place;
use crate::{Cluster, Result};

/// So many requests an instance is at for each service. More wait, as messages do.
const AT_ONCE: u32 = 1024;

/// How long a request is tried unless told otherwise, in milliseconds.
const TIMEOUT: u64 = 5000;

/// The queue group of all instances.
const GROUP: &str = "glomer-services";

/// How the services of a cluster run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    place: Place,
}

/// What their streams are like, and how long a request may take.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many servers keep each stream: 1, 3 or 5. Unless given, a new stream gets 3 in a
    /// cluster of servers, and 1 on a server alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) replicas: Option<u8>,

    /// How long a request is tried before it is answered with an error, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = TIMEOUT)]
    pub(crate) timeout: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replicas: None,
            timeout: TIMEOUT,
        }
    }
}

/// Runs the services until the process is told to end.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let cluster = args.place.cluster();
    let client = args.place.server.connect("glomer-nats services").await?;
    let services = Services::start(&client, &cluster, &args.options).await?;
    tracing::info!(
        "the services of the cluster {} run: {}",
        cluster.name(),
        NAMES.join(", ")
    );
    crate::ends::asked().await?;
    services.stop().await;
    client.flush().await?;
    Ok(ExitCode::SUCCESS)
}

/// What the services are called.
pub(crate) const NAMES: [&str; 4] = ["lin-kv", "lin-tso", "lww-kv", "seq-kv"];

/// The name of the stream that a service keeps.
fn stream(cluster: &Cluster, service: &str) -> String {
    format!("glomer-{}-{service}", escaped(cluster.name().as_str()))
}

/// The streams of a cluster's services in which something is that a request can find.
#[cfg(feature = "test")]
pub(crate) async fn held(
    client: &Client,
    cluster: &Cluster,
) -> Vec<async_nats::jetstream::stream::Stream> {
    let context = async_nats::jetstream::new(client.clone());
    let mut held = Vec::new();
    for name in NAMES.into_iter().filter(|name| *name != "lin-tso") {
        // Without the services there are none.
        if let Ok(stream) = context.get_stream(stream(cluster, name)).await
            && stream.cached_info().state.messages > 0
        {
            held.push(stream);
        }
    }
    held
}

/// Services that run.
#[derive(Debug)]
pub(crate) struct Services {
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
}

impl Services {
    /// Starts them, and returns when each takes requests.
    pub(crate) async fn start(
        client: &Client,
        cluster: &Cluster,
        options: &Options,
    ) -> Result<Services> {
        let (stop, stopped) = watch::channel(false);
        let mut serving = Vec::new();
        for name in NAMES {
            let service = Arc::new(Service::open(name, client, cluster, options).await?);
            let serve = Serve {
                client: client.clone(),
                cluster: cluster.clone(),
                name,
                service,
            };
            let subject = cluster.node(name)?;
            let requests = client.queue_subscribe(subject, GROUP.to_owned()).await?;
            serving.push(tokio::spawn(serve.all(requests, stopped.clone())));
        }
        client.flush().await?;
        Ok(Services { stop, serving })
    }

    /// Takes no more requests, and returns when those taken are answered.
    pub(crate) async fn stop(self) {
        // They may have ended with the connection.
        let _ = self.stop.send(true);
        for serving in self.serving {
            let _ = serving.await;
        }
    }
}

enum Service {
    Linear(Arc<Linear<JetStreamLog>>),
    LastWrite(LastWrite<JetStreamLog>),
    Timestamps(Timestamps<JetStreamLog>),
}

impl Service {
    async fn open(
        name: &str,
        client: &Client,
        cluster: &Cluster,
        options: &Options,
    ) -> Result<Service> {
        let read = match name {
            "lww-kv" => Read::AnyReplica,
            _ => Read::Leader,
        };
        let stream = stream(cluster, name);
        let subject = cluster.store(name);
        let replicas = options.replicas.map(usize::from);
        let log = JetStreamLog::open(client.clone(), stream, subject, read, replicas).await?;
        let timeout = Duration::from_millis(options.timeout);
        Ok(match name {
            "lww-kv" => Service::LastWrite(LastWrite::new(log, timeout)),
            "lin-tso" => Service::Timestamps(Timestamps::new(log, timeout)),
            // An inbox has a name that no other has.
            _ => Service::Linear(Linear::new(log, client.new_inbox(), timeout)),
        })
    }

    /// The body of the reply to a request, without its `in_reply_to`.
    async fn ask(&self, name: &str, body: &str) -> String {
        let kind = match serde_json::from_str::<Kind<'_>>(body) {
            Ok(Kind { kind }) => kind,
            Err(reason) => return error(12, &format!("this is no body: {reason}")),
        };
        let unknown = |known| error(10, &format!("{name} does not know `{kind}`, but {known}"));
        match (self, Request::read(body)) {
            (Service::Timestamps(oracle), _) if kind == "ts" => oracle.next().await,
            (Service::Timestamps(_), _) => unknown("ts"),
            (_, None) => unknown("read, write and cas"),
            (_, Some(Err(reply))) => reply,
            (Service::Linear(store), Some(Ok(request))) => store.ask(request).await,
            (Service::LastWrite(store), Some(Ok(request))) => store.ask(&request).await,
        }
    }
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// A message as nodes send it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

struct Serve {
    client: Client,
    cluster: Cluster,
    name: &'static str,
    service: Arc<Service>,
}

impl Serve {
    /// Answers requests until it is told to stop, and then those that it has begun with.
    async fn all(self, mut requests: async_nats::Subscriber, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let room = Arc::new(Semaphore::new(AT_ONCE as usize));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                break;
            };
            let request = tokio::select! {
                request = requests.next() => request,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(request) = request else { break };
            let this = Arc::clone(&this);
            tokio::spawn(async move {
                this.one(request).await;
                drop(permit);
            });
        }
        // What the server has sent already is for nobody else.
        let _ = requests.unsubscribe().await;
        let _ = room.acquire_many(AT_ONCE).await;
    }

    async fn one(&self, request: Message) {
        let answered = match request.reply {
            Some(reply) => {
                let body = String::from_utf8_lossy(&request.payload);
                let answer = self.answer(&body).await;
                self.client.publish(reply, answer.into()).await
            }
            None => {
                let message: Envelope<'_> = match serde_json::from_slice(&request.payload) {
                    Ok(message) => message,
                    Err(error) => {
                        tracing::warn!("what {} got is no message: {error}", self.name);
                        return;
                    }
                };
                let subject = match self.cluster.node(&message.src) {
                    Ok(subject) => subject,
                    Err(error) => {
                        tracing::warn!("{} cannot answer: {error}", self.name);
                        return;
                    }
                };
                let body = self.answer(message.body.get()).await;
                let (name, dest) = (self.name, json!(message.src));
                let line = format!(r#"{{"src":"{name}","dest":{dest},"body":{body}}}"#);
                self.client.publish(subject, line.into()).await
            }
        };
        if let Err(error) = answered {
            tracing::warn!("an answer of {} is lost: {error}", self.name);
        }
    }

    async fn answer(&self, body: &str) -> String {
        let reply = self.service.ask(self.name, body).await;
        in_reply_to(body, &reply).unwrap_or(reply)
    }
}

fn error(code: u32, text: &str) -> String {
    json!({"type": "error", "code": code, "text": text}).to_string()
}

/// The reply to what was not done, and will not be.
fn unavailable(why: &str) -> String {
    error(11, &format!("not done: {why}"))
}

/// The reply to what may be done, or be done later.
fn perhaps(why: &str) -> String {
    error(0, &format!("done or not, nobody knows: {why}"))
}

/// The reply to what would write a value that no record can hold.
fn value_too_long(value: &Json, max_value: usize) -> Option<String> {
    let length = value.text().len();
    (length > max_value).then(|| {
        let text = format!(
            "the value has {length} bytes, and the server's max_payload leaves room for {max_value}"
        );
        error(12, &text)
    })
}

/// How long the part of a subject that stands for a key may be, in bytes.
const LONGEST_KEY: usize = 1024;

/// The part of a subject that stands for a key: the same for equal keys. Or the reply to a
/// request whose key is too long.
fn key_subject(key: &Json) -> Result<String, String> {
    let subject = escaped(key.printed());
    if subject.len() > LONGEST_KEY {
        let length = subject.len();
        return Err(error(
            12,
            &format!(
                "the key takes {length} bytes of a subject, and there is room for {LONGEST_KEY}"
            ),
        ));
    }
    Ok(subject)
}

/// A text as part of a subject or the name of a stream: `%` and two digits stand for each byte
/// that has a meaning there.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b".*>%/\\".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
