//! The drive of a run on a live cluster: between the engine, who asks and breaks, and the nodes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use glomer_workbench::run::drive::Elsewhere;
use glomer_workbench::run::engine::{Action, Engine, Links};
use glomer_workbench::run::node_errors::NodeErrors;
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::problem::{Problem, ProblemKind};
use glomer_workbench::run::progress::Progress;
use glomer_workbench::run::{Run, Timing};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::carriers::{Carriers, Order, Told, obey};
use super::journal;
use crate::control::{Faults, Request};
use crate::{Cluster, Name, Result, services};

/// How long faults outlive a run that cannot end them itself.
const AFTER: Duration = Duration::from_secs(60);

/// A cluster that is tested.
pub(super) struct Live {
    pub(super) runtime: Handle,
    pub(super) client: Client,
    pub(super) cluster: Cluster,
    /// Whether to empty what services hold.
    pub(super) fresh: bool,
}

impl Elsewhere for Live {
    fn run(&self, plan: Plan, interrupt: &AtomicBool, progress: &mut Progress) -> io::Result<Run> {
        let run = self.drive(plan, interrupt, progress);
        self.runtime.block_on(run).map_err(io::Error::other)
    }
}

impl Live {
    async fn drive(
        &self,
        plan: Plan,
        interrupt: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<Run> {
        if plan.faults.named("wipe").is_some() {
            return Err(
                "--nemesis wipe: the disks of these nodes are on other machines, out of reach; \
                 leave it out"
                    .into(),
            );
        }
        let names: Vec<Name> = plan
            .setting
            .nodes
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()?;
        let carriers = Carriers::new(self.client.clone(), self.cluster.clone());
        let mut obeying = JoinSet::new();
        let run = self.through(plan, &names, &carriers, &mut obeying, interrupt, progress);
        let run = run.await;
        // Whatever came of it, the nodes are left whole, and no order comes after that.
        obeying.shutdown().await;
        join_all(names.iter().map(|name| carriers.leave(name))).await;
        run
    }

    async fn through(
        &self,
        plan: Plan,
        names: &[Name],
        carriers: &Carriers,
        obeying: &mut JoinSet<()>,
        interrupt: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<Run> {
        let (tell, told) = mpsc::unbounded_channel();
        let orders = names.iter().cloned().enumerate().map(|node| {
            let (order, orders) = mpsc::unbounded_channel();
            obeying.spawn(obey(carriers.clone(), node, orders, tell.clone()));
            order
        });
        let inbox = self.client.new_inbox();
        let subjects = names.iter().map(|name| self.cluster.node(name.as_str()));
        let lasts = plan.time_limit + plan.recovery_time + AFTER;
        let mut answers = self.client.subscribe(format!("{inbox}.>")).await?;
        // In this order: should time pass between the two, what nodes did seems later than it was,
        // never earlier than what they were asked.
        let zero = SystemTime::UNIX_EPOCH.elapsed()?;
        let clock = Instant::now();
        let mut driver = Driver {
            client: self.client.clone(),
            clock,
            links: vec![None; names.len()],
            orders: orders.collect(),
            subjects: subjects.collect::<Result<_, _>>()?,
            inbox,
            lasts: u64::try_from(lasts.as_millis())?,
            engine: Engine::new(plan),
            told,
        };
        let stop = |name| carriers.stop(name, driver.lasts);
        let have_disks = try_join_all(names.iter().map(stop)).await?;
        let keep: Vec<&str> = names
            .iter()
            .zip(have_disks)
            .filter_map(|(name, has_disk)| has_disk.then_some(name.as_str()))
            .collect();
        if !keep.is_empty() {
            progress.insist(&format!(
                "{}: what an earlier run left on the disk is there in this one, too; if it must \
                 not be, end the nodes and empty the folders that GLOMER_DISK names",
                keep.join(", ")
            ));
        }
        let held = services::held(&self.client, &self.cluster).await;
        for stream in &held {
            if self.fresh {
                stream.purge().await?;
            } else {
                let name = &stream.cached_info().config.name;
                progress.insist(&format!(
                    "{name} holds what was written before this run; --fresh empties it"
                ));
            }
        }
        driver.engine.start(Duration::ZERO);
        driver.drive(&mut answers, interrupt, progress).await?;
        let origin = driver.engine.origin().unwrap_or_default();
        let zero = i64::try_from((zero + origin).as_nanos())?;
        let read = join_all(names.iter().map(|name| carriers.journal(name))).await;
        let mut run = Run::of(driver.engine, NodeErrors::default(), Timing::Elsewhere);
        let mut journals = Vec::new();
        for (name, read) in names.iter().zip(read) {
            let unread = match read {
                Ok((entries, lost)) => {
                    journals.push(entries);
                    (lost > 0).then(|| format!("{lost} entries of it were forgotten by then"))
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = unread {
                let text = format!("the journal of {name} is not complete: {why}");
                progress.insist(&text);
                run.warnings.push(text);
            }
        }
        run.journal.merge(journal::merged(journals, zero));
        run.hits.dropped = run.journal.dropped();
        Ok(run)
    }
}

struct Driver {
    client: Client,
    /// It was zero when the run began.
    clock: Instant,
    engine: Engine,
    /// Where to send each node what it is to do.
    orders: Vec<mpsc::UnboundedSender<Order>>,
    told: mpsc::UnboundedReceiver<Told>,
    /// What befalls messages on their way to each node, as its carrier was told.
    links: Vec<Option<Links>>,
    /// Where each node takes requests.
    subjects: Vec<String>,
    inbox: String,
    /// How long faults last that nobody ends, in milliseconds.
    lasts: u64,
}

impl Driver {
    async fn drive(
        &mut self,
        answers: &mut async_nats::Subscriber,
        interrupt: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<()> {
        loop {
            self.engine.tick(self.clock.elapsed());
            self.act(progress).await?;
            if self.engine.is_over() {
                return Ok(());
            }
            if interrupt.load(Ordering::Relaxed) {
                self.engine.stop(Problem::interrupted());
                continue;
            }
            if progress.is_live() {
                let status = self.engine.status(self.clock.elapsed());
                progress.show(&status);
            }
            let look = self.clock.elapsed() + Progress::INTERVAL;
            let due = self.engine.deadline().unwrap_or(look).min(look);
            tokio::select! {
                answer = answers.next() => match answer {
                    Some(answer) => self.answered(&answer),
                    None => return Err("the connection to NATS is closed".into()),
                },
                Some(told) = self.told.recv() => self.hear(told),
                () = sleep_until((self.clock + due).into()) => {}
            }
        }
    }

    /// Does what the engine wants.
    async fn act(&mut self, progress: &Progress) -> Result<()> {
        for action in self.engine.actions() {
            match action {
                // It begins with its `init`.
                Action::Spawn(node) => self.order(node, Order::Ask(Request::Start)),
                Action::Deliver {
                    node, src, body, ..
                } => {
                    let asked: Asked = serde_json::from_str(&body)?;
                    if asked.kind == "init" {
                        let (client, msg_id) = (src.to_string(), asked.msg_id);
                        self.order(node, Order::Start { client, msg_id });
                    } else {
                        let reply = format!("{}.{node}.{src}", self.inbox);
                        let subject = self.subjects[node].clone();
                        let body = body.to_string().into();
                        self.client.publish_with_reply(subject, reply, body).await?;
                    }
                }
                Action::Kill(node) => {
                    let for_ms = self.lasts;
                    self.order(node, Order::Ask(Request::Kill { for_ms }));
                }
                Action::Pause(node) => {
                    let for_ms = self.lasts;
                    self.order(node, Order::Ask(Request::Pause { for_ms }));
                }
                Action::Resume(node) => self.order(node, Order::Ask(Request::Resume)),
                // Refused before the run.
                Action::Wipe(_)
                | Action::Rate(..)
                | Action::Leap(..)
                | Action::DiskHealth(..)
                | Action::DiskLatency(..) => {}
                Action::Log(line) | Action::Warn(line) => progress.insist(&line),
            }
        }
        self.client.flush().await?;
        for node in 0..self.links.len() {
            let links = self.engine.links(node);
            if self.links[node].as_ref() != Some(&links) {
                let faults = Faults {
                    cut: links.cut.iter().cloned().collect(),
                    loss: links.loss,
                    duplicate: links.duplicate,
                    latency: links.latency,
                    for_ms: self.lasts,
                };
                self.order(node, Order::Ask(Request::Faults(faults)));
                self.links[node] = Some(links);
            }
        }
        Ok(())
    }

    fn order(&self, node: usize, order: Order) {
        // Who does not obey any more has said so.
        let _ = self.orders[node].send(order);
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Started {
                node,
                client,
                msg_id,
            } => {
                let body = json!({"type": "init_ok", "in_reply_to": msg_id});
                self.line(node, &client, &body.to_string());
            }
            Told::Failed { node, error } => {
                self.engine.failed(node, ProblemKind::NotStarted { error });
            }
        }
    }

    /// Takes what came for a client.
    fn answered(&mut self, answer: &Message) {
        let mut names = answer.subject.rsplit('.');
        let (client, node) = (names.next(), names.next());
        let node = node.and_then(|node| node.parse().ok());
        // Nobody is there who could answer.
        let is_answer = answer.status.is_none();
        if let (Some(client), Some(node), true) = (client, node, is_answer) {
            let body = String::from_utf8_lossy(&answer.payload);
            self.line(node, client, &body);
        }
    }

    fn line(&mut self, node: usize, client: &str, body: &str) {
        let src = self.engine.node_name(node);
        let line = format!(
            r#"{{"src":{},"dest":"{client}","body":{body}}}"#,
            json!(src)
        );
        self.engine
            .line(self.clock.elapsed(), node, line.as_bytes());
    }
}

/// What of a request has to be known.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "type")]
    kind: String,
    msg_id: u64,
}
