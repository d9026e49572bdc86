//! What clients ask of a lock service, and what must hold.

use std::collections::HashMap;

use glomer_workbench::history::typed::Moment;
use glomer_workbench::prelude::*;

use crate::handlers::{Acquire, Release};

/// Clients take and give back locks; no lock is ever held twice.
#[derive(Clone)]
pub(crate) struct Locks;

/// What a client can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Op {
    Acquire { lock: u64 },
    Release { lock: u64 },
}

impl Workload for Locks {
    const NAME: &'static str = "locks";
    const ABOUT: &'static str = "Clients take and give back locks; none is held twice";
    type Op = Op;
    type Output = bool;
    /// The lock that the client holds.
    type Session = Option<u64>;

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        Some(match *turn.session {
            Some(lock) => Op::Release { lock },
            None => Op::Acquire {
                lock: turn.rng.below(3),
            },
        })
    }

    async fn perform(held: &mut Option<u64>, client: &Client, op: &Op) -> Result<bool, Error> {
        match *op {
            Op::Acquire { lock } => {
                let granted = client.call(Acquire { lock }).await?;
                *held = granted.then_some(lock);
                Ok(granted)
            }
            Op::Release { lock } => {
                client.call(Release { lock }).await?;
                *held = None;
                Ok(true)
            }
        }
    }

    fn check(&self, history: &History<Op, bool>) -> Verdict {
        // A client holds a lock for certain from when it was granted to when it gives it back.
        let mut held: HashMap<u64, Vec<(usize, Moment, Option<Moment>)>> = HashMap::new();
        let mut twice = Vec::new();
        for grant in history {
            let (Op::Acquire { lock }, Some(true)) = (&grant.op, grant.output()) else {
                continue;
            };
            let Some(from) = grant.completed else {
                continue;
            };
            let mut later = history.iter().filter(|op| op.process == grant.process);
            let until = later.find(|op| grant.precedes(op)).map(|op| op.invoked);
            let others = held.entry(*lock).or_default();
            let overlaps = |other: &&(usize, Moment, Option<Moment>)| {
                until.is_none_or(|until| other.1 < until)
                    && other.2.is_none_or(|other| from < other)
            };
            if let Some((other, ..)) = others.iter().find(overlaps) {
                twice.push((*lock, *other, grant.invoked.index));
            }
            others.push((grant.invoked.index, from, until));
        }
        let granted: usize = held.values().map(Vec::len).sum();
        let verdict = Verdict::new(twice.is_empty())
            .figure("granted-count", granted)
            .figure("twice-count", twice.len());
        twice
            .into_iter()
            .fold(verdict, |verdict, (lock, one, other)| {
                let reason = Reason::new(format!("lock {lock} was held twice"));
                let text = format!("It was granted to operation {one} and to operation {other}.");
                verdict.because(reason.because(text, [one, other]))
            })
    }

    fn meaning(name: &str) -> Option<&'static str> {
        match name {
            "granted-count" => Some("how often a client was given a lock"),
            "twice-count" => Some("how often two clients held one lock at the same time"),
            _ => None,
        }
    }
}
