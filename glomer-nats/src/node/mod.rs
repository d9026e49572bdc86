//! `glomer-nats node`: a program in any language as a node.

mod lines;
mod process;

use std::env;
use std::ffi::OsString;
use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use self::lines::Line;
use self::process::{Process, Progress};
use crate::carrier::{Carrier, INIT_TIMEOUT, Order};
use crate::control::Life;
use crate::who::Who;
use crate::wire::{Wire, at};
use crate::{Result, ends};

/// How long to wait before a node that ended is started again: the first time, and at most.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Who has been ready so long did not end for the reason that it ended for before.
const HEALTHY: Duration = Duration::from_secs(60);

/// How long a node has to answer what it has read, once it is to end.
const GRACE: Duration = Duration::from_secs(5);

/// Which node, and what runs as it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    who: Who,

    #[command(flatten)]
    program: Program,
}

/// What runs as a node.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Program {
    /// How often in a row the program is started again when it ends by itself
    #[arg(long, value_name = "NUM", default_value_t = 10)]
    restarts: u32,

    /// The program that is the node, and its arguments
    #[arg(value_name = "PROGRAM", required = true, last = true)]
    program: Vec<OsString>,

    /// The folder that it has for a disk, if that is not its environment's matter.
    #[arg(skip)]
    disk: Option<PathBuf>,
}

impl Program {
    /// The same with this folder for a disk.
    pub(crate) fn with_disk(&self, folder: PathBuf) -> Self {
        Self {
            disk: Some(folder),
            ..self.clone()
        }
    }
}

/// Carries the messages of a program until a signal ends it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let (wire, carrier) = args.who.come().await?;
    carry(wire, carrier, args.program, ends::asked()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Carries the messages of a program until `stop`, and then ends it decently.
///
/// # Errors
/// If there is such a node already, or a cluster of other nodes; if the program cannot be run,
/// or has ended by itself too often.
pub(crate) async fn carry(
    wire: Wire,
    mut carrier: Carrier,
    program: Program,
    stop: impl Future<Output = Result<()>>,
) -> Result<()> {
    carrier.node_has_disk = program.disk.is_some() || env::var_os("GLOMER_DISK").is_some();
    let mut node = Node {
        wire,
        carrier,
        program,
        process: None,
        next_start: None,
        started: Instant::now(),
        failures: 0,
    };
    let done = node.live(stop).await;
    // Before anything else, whoever waits is told.
    node.process = None;
    node.carrier.ended();
    node.wire.close(&mut node.carrier).await;
    done
}

struct Node {
    wire: Wire,
    carrier: Carrier,
    program: Program,
    process: Option<Process>,
    /// When the process is to be started, if that is not a fault's matter.
    next_start: Option<Instant>,
    started: Instant,
    /// How often in a row it ended by itself.
    failures: u32,
}

/// What happened.
enum Turn {
    Order(Option<Order>),
    Progress(Progress),
    Start,
    NoInit,
    Stop,
    GiveUp,
}

impl Node {
    async fn live(&mut self, stop: impl Future<Output = Result<()>>) -> Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut ends: Option<Instant> = None;
        loop {
            if self.carrier.is_settled() && self.process.is_none() && self.failures == 0 {
                self.next_start.get_or_insert_with(Instant::now);
            }
            let reads = !self.carrier.is_backed_up();
            if let Some(process) = &mut self.process {
                if process.is_idle() {
                    self.carrier.swap_unread(process.room());
                }
                if ends.is_some() {
                    process.end_input();
                }
            }
            let start = self
                .next_start
                .filter(|_| self.process.is_none() && !self.carrier.is_killed() && ends.is_none());
            let silent = self.carrier.life() == Life::Starting && !self.carrier.is_paused();
            let silent = silent.then(|| self.started + INIT_TIMEOUT);
            let turn = tokio::select! {
                order = self.wire.turn(&mut self.carrier) => Turn::Order(order?),
                progress = progress(&mut self.process, reads) => Turn::Progress(progress?),
                () = at(start) => Turn::Start,
                () = at(silent) => Turn::NoInit,
                () = at(ends) => Turn::GiveUp,
                asked = &mut stop, if ends.is_none() => {
                    asked?;
                    Turn::Stop
                }
            };
            match turn {
                Turn::Order(order) => {
                    if let Some(order) = order {
                        self.obey(order).await?;
                    }
                }
                Turn::Progress(Progress::Wrote) => self.take_lines()?,
                Turn::Progress(Progress::Read) => {}
                Turn::Progress(Progress::Ended(status)) => {
                    if let Some(process) = &mut self.process {
                        process.last_lines().await;
                    }
                    self.take_lines()?;
                    self.process = None;
                    if ends.is_some() {
                        return Ok(());
                    }
                    self.ended(&status.to_string())?;
                }
                Turn::Start => self.start()?,
                Turn::NoInit => {
                    self.process = None;
                    let limit = INIT_TIMEOUT.as_secs();
                    self.ended(&format!("no answer to `init` in {limit} s"))?;
                }
                Turn::Stop => {
                    self.wire.hang_up(&mut self.carrier).await?;
                    let Some(process) = &self.process else {
                        return Ok(());
                    };
                    process.signal(Signal::SIGCONT);
                    ends = Some(Instant::now() + GRACE);
                }
                Turn::GiveUp => {
                    let id = &self.carrier.identity().id;
                    let grace = GRACE.as_secs();
                    tracing::warn!(
                        "{id} did not end within {grace} s of the end of its input, and is killed"
                    );
                    return Ok(());
                }
            }
        }
    }

    fn start(&mut self) -> Result<()> {
        let id = self.carrier.identity().id.as_str();
        self.process = Some(Process::start(&self.program, id)?);
        self.started = Instant::now();
        self.next_start = None;
        self.carrier.start();
        Ok(())
    }

    /// Takes what the process wrote to where it is to go.
    fn take_lines(&mut self) -> Result<()> {
        let now = self.wire.now();
        while let Some(line) = self
            .process
            .as_mut()
            .and_then(|process| process.lines.next())
        {
            match line {
                Line::Whole(line) => self.carrier.send(now, line),
                Line::TooLong(start) => self.carrier.send_too_long(now, &start),
            }
        }
        self.wire.publish(&mut self.carrier)
    }

    /// The process has ended by itself.
    fn ended(&mut self, how: &str) -> Result<()> {
        if self.carrier.life() == Life::Ready && self.started.elapsed() > HEALTHY {
            self.failures = 0;
        }
        self.carrier.ended();
        self.failures += 1;
        let id = &self.carrier.identity().id;
        let most = self.program.restarts;
        if self.failures > most {
            return Err(format!(
                "{id} ended ({how}), {} times in a row, and is not started again: see what it \
                 told, or raise --restarts",
                self.failures
            )
            .into());
        }
        let growth = 2_u32.saturating_pow(self.failures - 1);
        let delay = FIRST_DELAY.saturating_mul(growth).min(LONGEST_DELAY);
        tracing::warn!(
            "{id} ended ({how}), and is started again in {delay:?} ({} of {most} times)",
            self.failures
        );
        self.carrier.metrics().restarts.inc();
        self.next_start = Some(Instant::now() + delay);
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Kill => {
                if let Some(process) = &mut self.process {
                    process.kill().await?;
                    // What it wrote before it died was sent.
                    self.take_lines()?;
                    self.process = None;
                    self.carrier.ended();
                }
            }
            Order::Start => self.next_start = Some(Instant::now()),
            Order::Pause | Order::Resume => {
                let signal = match order {
                    Order::Pause => Signal::SIGSTOP,
                    _ => Signal::SIGCONT,
                };
                if let Some(process) = &self.process {
                    process.signal(signal);
                }
            }
        }
        Ok(())
    }
}

async fn progress(process: &mut Option<Process>, reads: bool) -> Result<Progress> {
    match process {
        Some(process) => process.progress(reads).await,
        None => pending().await,
    }
}
