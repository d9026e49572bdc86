//! A Rust node that talks to NATS itself, without a pipe between.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use glomer_runtime::log::{Level, Record};
use glomer_runtime::store::{Directory, Durability, Store};
use glomer_runtime::{Batch, Init, Node, Output};
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;

use crate::carrier::{Carrier, INIT_TIMEOUT, Order};
use crate::cli::{self, Log};
use crate::control::Life;
use crate::who::Who;
use crate::wire::{Wire, at};
use crate::{Result, ends};

/// How much output the node gathers before it is taken, in bytes.
const OUTPUT: usize = 64 * 1024;

/// This node, on many machines, over NATS
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    log: Log,

    #[command(flatten)]
    who: Who,
}

/// Runs the node whose handlers have the state `S` as a node of a cluster on NATS, until a signal
/// ends it.
///
/// It takes the options of `glomer-nats node` (`--server`, `--cluster`, `--id`, `--nodes`, …,
/// and `--help`), without a program: the node is this process. It is carried as a program is,
/// and can be asked the same by the [control protocol](crate::control); what is killed and
/// paused then is the node, and not the process.
///
/// What the node keeps on its [disk](glomer_runtime::Context::disk) is in the folder that
/// `GLOMER_DISK` names, and durable before anything is sent that depends on it.
///
/// The same program may run under `glomer test` and Maelstrom, too:
///
/// ```no_run
/// # #[derive(Default)]
/// # struct State;
/// fn main() -> std::process::ExitCode {
///     if std::env::args().len() > 1 {
///         glomer_nats::run::<State>()
///     } else {
///         glomer_runtime::run::<State>()
///     }
/// }
/// ```
pub fn run<S: Default + 'static>() -> ExitCode {
    run_with(|_| S::default())
}

/// The same for a state that is made from what `init` says.
pub fn run_with<S: 'static>(make: impl FnMut(&Init) -> S + 'static) -> ExitCode {
    let Arguments { log, who } = Arguments::parse();
    let make = Rc::new(RefCell::new(make));
    cli::block_on(log, async {
        let (wire, carrier) = who.come().await?;
        let mut host = Host {
            wire,
            carrier,
            level: level(log.level()),
            // Futures of the node are woken from any thread.
            bell: Arc::new(Bell(Notify::new())),
            start: || {
                let make = make.clone();
                let seed = RandomState::new().hash_one(0);
                Ok(Node::with(seed, move |init| make.borrow_mut()(init))?)
            },
            node: None,
            store: None,
            output: Output::default(),
            lines: Vec::new(),
            taken: 0,
            started: Instant::now(),
        };
        let done = host.live().await;
        host.wire.close(&mut host.carrier).await;
        done.map(|()| ExitCode::SUCCESS)
    })
}

/// A node, and what it lives in.
struct Host<S: 'static, F> {
    wire: Wire,
    carrier: Carrier,
    level: Level,
    bell: Arc<Bell>,
    start: F,
    node: Option<Node<S>>,
    store: Option<Store<Directory>>,
    output: Output,
    /// Lines that the node is being given.
    lines: Vec<u8>,
    /// How much of them it was given.
    taken: usize,
    started: Instant,
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl<S: 'static, F: Fn() -> Result<Node<S>>> Host<S, F> {
    async fn live(&mut self) -> Result<()> {
        let mut stop = std::pin::pin!(ends::asked());
        loop {
            if self.node.is_none() && self.carrier.is_settled() && !self.carrier.is_killed() {
                self.start()?;
            }
            self.work()?;
            // A node whose output is not taken, or that is paused, does nothing.
            let works = !self.carrier.is_paused() && !self.carrier.is_backed_up();
            let due = self
                .node
                .as_ref()
                .filter(|_| works)
                .and_then(Node::deadline);
            let due = due.and_then(|due| self.wire.at(due));
            let silent = self.carrier.life() == Life::Starting && works;
            let silent = silent.then(|| self.started + INIT_TIMEOUT);
            tokio::select! {
                order = self.wire.turn(&mut self.carrier) => {
                    if order? == Some(Order::Kill) {
                        self.node = None;
                        self.store = None;
                        self.lines.clear();
                        self.taken = 0;
                        self.carrier.ended();
                    }
                }
                () = at(due) => {}
                () = self.bell.0.notified() => {}
                () = at(silent) => {
                    let id = &self.carrier.identity().id;
                    let limit = INIT_TIMEOUT.as_secs();
                    return Err(format!("{id} has not answered `init` in {limit} s").into());
                }
                asked = &mut stop => {
                    asked?;
                    self.wire.hang_up(&mut self.carrier).await?;
                    self.work()?;
                    if let Some(node) = &mut self.node {
                        node.finish(self.wire.now());
                    }
                    return self.carry();
                }
            }
        }
    }

    fn start(&mut self) -> Result<()> {
        let mut node = (self.start)()?;
        node.set_log_level(self.level);
        node.warn_of_other_states();
        node.set_waker(self.bell.clone().into());
        if let Some(path) = std::env::var_os("GLOMER_DISK") {
            let (store, contents) = Directory::open(PathBuf::from(path)).and_then(Store::open)?;
            node.set_disk(contents);
            self.store = Some(store);
            self.carrier.node_has_disk = true;
        }
        self.node = Some(node);
        self.started = Instant::now();
        self.carrier.start();
        Ok(())
    }

    /// Has the node do what is due and handle what came.
    fn work(&mut self) -> Result<()> {
        let now = self.wire.now();
        if let Some(node) = self.awake()
            && node.deadline().is_some_and(|due| due <= now)
        {
            node.tick(now);
        }
        loop {
            if self.taken == self.lines.len() {
                self.taken = 0;
                self.carrier.swap_unread(&mut self.lines);
            }
            let rest = &self.lines[self.taken..];
            let Some(length) = memchr::memchr(b'\n', rest) else {
                break;
            };
            let line = self.taken..self.taken + length;
            let lines = std::mem::take(&mut self.lines);
            let handled = self.awake().map(|node| node.handle(now, &lines[line]));
            self.lines = lines;
            if handled.is_none() {
                break;
            }
            self.taken += length + 1;
            if self
                .node
                .as_ref()
                .is_some_and(|node| node.output_len() >= OUTPUT)
            {
                self.carry()?;
            }
        }
        self.carry()
    }

    /// The node, if it may go on: it is not paused, and its output is taken.
    fn awake(&mut self) -> Option<&mut Node<S>> {
        let may = !self.carrier.is_paused() && !self.carrier.is_backed_up();
        self.node.as_mut().filter(|_| may)
    }

    /// Does what the node wants done.
    fn carry(&mut self) -> Result<()> {
        let Some(node) = &mut self.node else {
            return Ok(());
        };
        for Record { level, text, .. } in node.take_log() {
            match level {
                Level::Error => tracing::error!("{text}"),
                Level::Warn => tracing::warn!("{text}"),
                Level::Info => tracing::info!("{text}"),
                _ => tracing::debug!("{text}"),
            }
        }
        node.swap_output(&mut self.output);
        if node.lacks_disk() {
            return Err(
                "the node asks for a disk, and there is none: set GLOMER_DISK to a folder \
                        of its own"
                    .into(),
            );
        }
        let now = self.wire.now();
        send(&mut self.carrier, now, self.output.before_writes());
        if let Some(store) = self.store.as_mut().filter(|_| self.output.has_writes()) {
            // What needs not wait for the disk does not.
            self.wire.publish(&mut self.carrier)?;
            let kept =
                node.disk(|contents| store.keep(&self.output, contents, Durability::Machine));
            kept.unwrap_or(Ok(())).map_err(|error| {
                format!("{error}; the node stops, and what waited for the disk is not sent")
            })?;
        }
        send(&mut self.carrier, now, self.output.after_writes());
        self.output.clear();
        self.wire.publish(&mut self.carrier)
    }
}

fn send(carrier: &mut Carrier, now: Duration, batch: Batch<'_>) {
    let lines = Bytes::copy_from_slice(batch.lines());
    let mut start = 0;
    for message in batch.messages() {
        let end = start + message.line.len();
        carrier.send(now, lines.slice(start..end));
        start = end + 1;
    }
}

/// What the runtime tells, so much as is told at all.
fn level(filter: LevelFilter) -> Level {
    match filter {
        LevelFilter::OFF => Level::Off,
        LevelFilter::ERROR => Level::Error,
        LevelFilter::WARN => Level::Warn,
        LevelFilter::INFO => Level::Info,
        _ => Level::Debug,
    }
}
