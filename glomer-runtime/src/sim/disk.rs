//! The disk of a simulated node: memory that outlives it.

use super::latency::Latency;
use crate::{Action, Contents, Output, Rng};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Whether a simulated disk does what disks should do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Health {
    /// It does.
    #[default]
    Well,
    /// It is full, or broken: nothing that is written becomes durable from now on, the node
    /// is told so, and stops. What it has can be read.
    Failing,
    /// It says at once that what is written is durable, and it is not: a crash may lose all
    /// that was written since the lying began. No node can stand that; it is there to show
    /// what comes of it.
    Lying,
}

/// What is written becomes durable with the next sync, one after the other. A sync takes its
/// time, and is for all that was written before it began.
pub(super) struct Disk {
    durable: Contents,
    /// What a disk that lies has said to be durable, in order.
    cached: VecDeque<Output>,
    /// What is not durable yet: the writes of one turn each, and what is to be sent once they
    /// are.
    held: VecDeque<Output>,
    sync: Option<Sync>,
    pub(super) latency: Latency,
    pub(super) health: Health,
    rng: Rng,
}

/// A sync that is under way.
struct Sync {
    due: Duration,
    /// How many of those that are held it is for.
    turns: usize,
    /// Whether its end was told.
    told: bool,
}

/// A write could not be made durable. The node must end, and never try again: nobody knows
/// what the disk has now.
pub(super) struct Failed;

impl Disk {
    pub(super) fn new(latency: Latency, seed: u64) -> Disk {
        Disk {
            durable: Contents::default(),
            cached: VecDeque::new(),
            held: VecDeque::new(),
            sync: None,
            latency,
            health: Health::default(),
            rng: Rng::seeded(seed),
        }
    }

    /// What a node finds that starts now.
    pub(super) fn contents(&self) -> &Contents {
        &self.durable
    }

    /// Takes what a node wants done, and gives what may be done by now; `output` is for both.
    pub(super) fn pass(&mut self, now: Duration, output: &mut Output) -> Result<(), Failed> {
        if self.held.is_empty() && !output.has_writes() {
            return Ok(());
        }
        let wanted = std::mem::take(output);
        self.end_sync(now, output)?;
        for action in wanted.actions() {
            match action {
                Action::Send(batch) => self.held.back_mut().unwrap_or(output).push_messages(batch),
                Action::Write(writes) => {
                    let mut turn = Output::default();
                    turn.push_writes(writes);
                    self.held.push_back(turn);
                }
            }
        }
        while self.sync.is_none() && !self.held.is_empty() {
            let lasts = match self.health {
                Health::Lying => Duration::ZERO,
                Health::Well | Health::Failing => self.latency.sample(&mut self.rng),
            };
            self.sync = Some(Sync {
                due: now.saturating_add(lasts),
                turns: self.held.len(),
                told: false,
            });
            self.end_sync(now, output)?;
        }
        Ok(())
    }

    /// Ends the sync that is under way, if it is time, and gives what may be sent then.
    fn end_sync(&mut self, now: Duration, output: &mut Output) -> Result<(), Failed> {
        let Some(sync) = self.sync.take_if(|sync| sync.due <= now) else {
            return Ok(());
        };
        if self.health == Health::Failing {
            return Err(Failed);
        }
        for turn in self.held.drain(..sync.turns) {
            for action in turn.actions() {
                if let Action::Send(batch) = action {
                    output.push_messages(batch);
                }
            }
            self.cached.push_back(turn);
        }
        if self.health == Health::Well {
            for turn in self.cached.drain(..) {
                keep(&mut self.durable, &turn);
            }
        }
        Ok(())
    }

    /// When the sync that is under way ends, until that was told.
    pub(super) fn due(&self) -> Option<Duration> {
        let sync = self.sync.as_ref().filter(|sync| !sync.told);
        sync.map(|sync| sync.due)
    }

    /// Tells that a sync has ended, if it has: it is time to [pass](Self::pass).
    pub(super) fn tell(&mut self, now: Duration) {
        if let Some(sync) = self.sync.as_mut().filter(|sync| sync.due <= now) {
            sync.told = true;
        }
    }

    /// Whether something is not durable yet.
    pub(super) fn is_busy(&self) -> bool {
        self.sync.is_some()
    }

    /// The node dies: of what is not durable, the later part is lost, from a turn on that is
    /// drawn.
    pub(super) fn crash(&mut self) {
        self.sync = None;
        let mut written = std::mem::take(&mut self.cached);
        written.append(&mut self.held);
        if !written.is_empty() {
            let kept = self.rng.below(written.len() as u64 + 1) as usize;
            for turn in written.iter().take(kept) {
                keep(&mut self.durable, turn);
            }
        }
    }

    /// Loses all that it has.
    pub(super) fn wipe(&mut self) {
        self.crash();
        self.durable = Contents::default();
    }
}

fn keep(durable: &mut Contents, turn: &Output) {
    for action in turn.actions() {
        if let Action::Write(writes) = action {
            for write in writes.iter() {
                durable.apply(&write);
            }
        }
    }
}
