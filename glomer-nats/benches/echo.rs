//! What a carrier costs: echoes through it, from a node in its own process, and from a service
//! written by hand on async-nats, in one run on loopback.
//!
//! ```sh
//! cargo bench -p glomer-nats --bench echo
//! ```
//!
//! It starts the nats-server that `NATS_SERVER` names, or that is on the PATH. Each round asks
//! each of them: by clients at once for the throughput, and by one client for the round trip.
//! What is told is the median of the rounds.

use std::env;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use futures_util::future::join_all;
use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Runtime;

use self::support::{PATIENCE, Server};

#[path = "../tests/nats/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests need more of it")]
mod support;

/// Says what this process is.
const ROLE: &str = "GLOMER_BENCH_ROLE";
/// How many requests are under way at once, for the throughput.
const AT_ONCE: usize = 256;
const BODY: &str = r#"{"type":"echo","msg_id":1,"echo":"please echo 35"}"#;

#[handler("echo", reply = "echo")]
fn echo(echo: Value) -> Value {
    echo
}

#[derive(Deserialize)]
struct Request {
    msg_id: u64,
    echo: Value,
}

#[derive(Serialize)]
struct Reply {
    #[serde(rename = "type")]
    kind: &'static str,
    in_reply_to: u64,
    echo: Value,
}

/// The service that one would write without Glomer.
async fn by_hand(url: String) -> Result<(), async_nats::Error> {
    let client = async_nats::connect(url).await?;
    let mut requests = client.subscribe("glomer.by-hand.node.n1").await?;
    while let Some(message) = requests.next().await {
        let Request { msg_id, echo } = serde_json::from_slice(&message.payload)?;
        let reply = Reply {
            kind: "echo_ok",
            in_reply_to: msg_id,
            echo,
        };
        if let Some(subject) = message.reply {
            let reply = serde_json::to_vec(&reply)?;
            client.publish(subject, reply.into()).await?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("node") => glomer_runtime::run::<()>(),
        Ok("in-process") => glomer_nats::run::<()>(),
        Ok(url) => {
            let done = Runtime::new()
                .expect("a runtime")
                .block_on(by_hand(url.to_owned()));
            done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(_) => {
            if let Some(server) = Server::start() {
                compare(&server.url());
            }
            ExitCode::SUCCESS
        }
    }
}

/// A process that ends with the bench.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts"),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The carrier's child ends with its input.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// How long each asks for the throughput in a round.
    lasts: Duration,
    /// How many requests a round makes one after the other, for the round trip.
    trips: usize,
}

/// Cargo says so when it measures; otherwise it only wants to know that the program works.
fn is_measuring() -> bool {
    env::args().any(|argument| argument == "--bench")
}

/// What was measured of one of them.
struct Measured {
    what: &'static str,
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

fn compare(url: &str) {
    let extent = if is_measuring() {
        Extent {
            rounds: 7,
            lasts: Duration::from_secs(1),
            trips: 2000,
        }
    } else {
        Extent {
            rounds: 1,
            lasts: Duration::from_millis(10),
            trips: 10,
        }
    };
    let me = env::current_exe().expect("it has a name");
    let options = |cluster| {
        [
            "--server",
            url,
            "--cluster",
            cluster,
            "--id",
            "n1",
            "--nodes",
            "n1",
        ]
    };
    let _services = [
        Process::start(Command::new(&me).env(ROLE, url)),
        Process::start(
            Command::new(&me)
                .env(ROLE, "in-process")
                .args(options("in-process")),
        ),
        Process::start(
            Command::new(env!("CARGO_BIN_EXE_glomer-nats"))
                .arg("node")
                .args(options("carried"))
                .arg("--")
                .arg(&me)
                .env(ROLE, "node"),
        ),
    ];
    Runtime::new().expect("a runtime").block_on(async {
        let client = async_nats::connect(url).await.expect("the server runs");
        let mut all = [
            ("raw publish and subscribe", None),
            ("a service by hand", Some("glomer.by-hand.node.n1")),
            ("in process", Some("glomer.in-process.node.n1")),
            ("through a carrier", Some("glomer.carried.node.n1")),
        ]
        .map(|(what, subject)| {
            let (per_second, p50, p99) = (vec![], vec![], vec![]);
            (
                subject,
                Measured {
                    what,
                    per_second,
                    p50,
                    p99,
                },
            )
        });
        for (subject, _) in &all {
            if let Some(subject) = subject {
                is_there(&client, subject).await;
            }
        }
        for _ in 0..extent.rounds {
            for (subject, measured) in &mut all {
                let (rate, mut trips) = match subject {
                    Some(subject) => (
                        throughput(&client, subject, extent.lasts).await,
                        trips(&client, subject, extent.trips).await,
                    ),
                    None => raw(&client, extent).await,
                };
                trips.sort_unstable();
                let micros = |trip: Duration| trip.as_secs_f64() * 1e6;
                measured.per_second.push(rate);
                measured.p50.push(micros(trips[trips.len() / 2]));
                measured.p99.push(micros(trips[trips.len() * 99 / 100]));
            }
        }
        tell(all.map(|(_, measured)| measured));
    });
}

async fn is_there(client: &Client, subject: &'static str) {
    let start = Instant::now();
    loop {
        let answer = client.request(subject, BODY.into()).await;
        assert!(start.elapsed() < PATIENCE, "{subject}: {answer:?}");
        // Until the node is ready, a carrier answers with an error.
        if answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.payload).contains("echo_ok")) {
            return;
        }
    }
}

/// Requests a second.
async fn throughput(client: &Client, subject: &'static str, lasts: Duration) -> f64 {
    let start = Instant::now();
    let askers = (0..AT_ONCE).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut answers = 0_u32;
            while start.elapsed() < lasts {
                client
                    .request(subject, BODY.into())
                    .await
                    .expect("an answer");
                answers += 1;
            }
            answers
        })
    });
    let answers = join_all(askers).await;
    let answers: u32 = answers
        .into_iter()
        .map(|answers| answers.expect("no panic"))
        .sum();
    f64::from(answers) / start.elapsed().as_secs_f64()
}

async fn trips(client: &Client, subject: &'static str, count: usize) -> Vec<Duration> {
    let mut trips = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        client
            .request(subject, BODY.into())
            .await
            .expect("an answer");
        trips.push(start.elapsed());
    }
    trips
}

/// Messages a second from a publisher to a subscriber, and how long one takes.
async fn raw(client: &Client, extent: Extent) -> (f64, Vec<Duration>) {
    let mut messages: Subscriber = client.subscribe("raw").await.expect("it subscribes");
    client.flush().await.expect("it is connected");
    let start = Instant::now();
    let publisher = client.clone();
    let publishing = tokio::spawn(async move {
        let mut sent = 0_u32;
        while start.elapsed() < extent.lasts {
            for _ in 0..AT_ONCE {
                publisher
                    .publish("raw", BODY.into())
                    .await
                    .expect("it is connected");
            }
            publisher.flush().await.expect("it is connected");
            sent += AT_ONCE as u32;
        }
        sent
    });
    let mut received = 0;
    let mut sent = None;
    let mut publishing = std::pin::pin!(publishing);
    while sent != Some(received) {
        tokio::select! {
            message = messages.next() => {
                message.expect("it is subscribed");
                received += 1;
            }
            all = &mut publishing, if sent.is_none() => sent = Some(all.expect("no panic")),
        }
    }
    let rate = f64::from(received) / start.elapsed().as_secs_f64();
    let mut trips = Vec::with_capacity(extent.trips);
    for _ in 0..extent.trips {
        let start = Instant::now();
        client
            .publish("raw", BODY.into())
            .await
            .expect("it is connected");
        messages.next().await.expect("it is subscribed");
        trips.push(start.elapsed());
    }
    (rate, trips)
}

fn tell(all: [Measured; 4]) {
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let [_, hand, ..] = &all;
    let (rate, p50) = (median(&hand.per_second), median(&hand.p50));
    println!(
        "medians of {} rounds; ratios are to the service by hand\n",
        hand.per_second.len()
    );
    println!(
        "{:<26} {:>12} {:>6} {:>10} {:>10} {:>6}",
        "", "messages/s", "ratio", "p50", "p99", "ratio"
    );
    for Measured {
        what,
        per_second,
        p50: trips,
        p99,
    } in &all
    {
        let (this, trip) = (median(per_second), median(trips));
        println!(
            "{what:<26} {this:>12.0} {:>6.2} {trip:>7.1} µs {:>7.1} µs {:>6.2}",
            this / rate,
            median(p99),
            trip / p50
        );
    }
}
