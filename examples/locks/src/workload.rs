//! What clients ask of a lock service, and what must hold.

use std::collections::BTreeMap;

use glomer_workbench::prelude::*;

use super::server::{Acquire, Release, Write};

/// Clients take locks, write what these protect, and give them back. No write of a holder is
/// accepted once that of a later one was.
///
/// That two clients think they hold a lock cannot be helped, nor seen from outside: how long a
/// lease lasts is a matter of clocks. What a holder does with the lock can be seen.
#[derive(Clone, Debug)]
pub struct Locks;

/// How many locks there are.
const LOCKS: u64 = 3;

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Ask for a lock.
    Acquire {
        /// Its number.
        lock: u64,
    },
    /// Write what a lock protects, with the token of its holder.
    Write {
        /// The lock.
        lock: u64,
        /// What it was given with.
        token: u64,
        /// What to write.
        value: u64,
    },
    /// Give a lock back.
    Release {
        /// The lock.
        lock: u64,
        /// What it was given with.
        token: u64,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The token of the new holder, if the lock was given.
    Token(Option<u64>),
    /// Whether the write was accepted.
    Accepted(bool),
    /// The lock was given back.
    Released,
}

type Done<'h> = &'h Operation<Op, Answer>;
type Operations<'h> = Vec<Done<'h>>;

impl Workload for Locks {
    const NAME: &'static str = "locks";
    const ABOUT: &'static str = "Clients take locks; no write comes after one of a later holder";
    type Op = Op;
    type Output = Answer;
    /// The lock that the client holds, and its token.
    type Session = Option<(u64, u64)>;

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        Some(match *turn.session {
            None => Op::Acquire {
                lock: turn.rng.below(LOCKS),
            },
            Some((lock, token)) if turn.rng.chance(0.2) => Op::Release { lock, token },
            Some((lock, token)) => Op::Write {
                lock,
                token,
                value: turn.rng.below(1_000),
            },
        })
    }

    async fn perform(
        held: &mut Option<(u64, u64)>,
        client: &Client,
        op: &Op,
    ) -> Result<Answer, Error> {
        match *op {
            Op::Acquire { lock } => {
                let token = client.call(Acquire { lock }).await?;
                *held = token.map(|token| (lock, token));
                Ok(Answer::Token(token))
            }
            Op::Write { lock, token, value } => {
                let accepted = client.call(Write { lock, token, value }).await?;
                if !accepted {
                    *held = None;
                }
                Ok(Answer::Accepted(accepted))
            }
            Op::Release { lock, token } => {
                client.call(Release { lock, token }).await?;
                *held = None;
                Ok(Answer::Released)
            }
        }
    }

    /// What is done with a token makes no sense without the acquisition that gave it.
    fn goes_with(earlier: &Op, later: &Op) -> bool {
        match (earlier, later) {
            (Op::Acquire { lock: taken }, Op::Write { lock, .. } | Op::Release { lock, .. }) => {
                taken == lock
            }
            _ => false,
        }
    }

    fn check(&self, history: &History<Op, Answer>) -> Verdict {
        let mut granted: BTreeMap<(u64, u64), Operations<'_>> = BTreeMap::new();
        let mut accepted: BTreeMap<u64, Operations<'_>> = BTreeMap::new();
        for operation in history {
            match (&operation.op, operation.output()) {
                (Op::Acquire { lock }, Some(Answer::Token(Some(token)))) => {
                    granted.entry((*lock, *token)).or_default().push(operation);
                }
                (Op::Write { lock, .. }, Some(Answer::Accepted(true))) => {
                    accepted.entry(*lock).or_default().push(operation);
                }
                _ => {}
            }
        }
        let again: Vec<_> = granted.iter().filter(|(_, them)| them.len() > 1).collect();
        let late: Vec<_> = accepted.values().flat_map(|writes| late(writes)).collect();
        let mut verdict = Verdict::new(again.is_empty() && late.is_empty())
            .figure("granted-count", granted.len())
            .figure(
                "accepted-count",
                accepted.values().map(Vec::len).sum::<usize>(),
            )
            .figure("late-count", late.len());
        if let Some((earlier, later)) = late.first() {
            let others = late.len() - 1;
            verdict = verdict.because(told(history, &granted, earlier, later, others));
        }
        again.iter().fold(verdict, |verdict, ((lock, _), them)| {
            let reason = Reason::new(format!("lock {lock} was given twice with the same token"));
            verdict.because(them.iter().fold(reason, |reason, operation| {
                reason.because(
                    grant(history, operation, "a client"),
                    [operation.invoked.index],
                )
            }))
        })
    }

    fn meaning(name: &str) -> Option<&'static str> {
        match name {
            "granted-count" => Some("how often a lock was given to a client"),
            "accepted-count" => Some("how many writes of holders were accepted"),
            "late-count" => Some("how many of them began after one of a later holder had ended"),
            _ => None,
        }
    }
}

fn token(write: &Operation<Op, Answer>) -> u64 {
    match write.op {
        Op::Write { token, .. } | Op::Release { token, .. } => token,
        Op::Acquire { .. } => 0,
    }
}

/// The writes that began after another with a greater token had ended, each with that one.
fn late<'h>(writes: &Operations<'h>) -> Vec<(Done<'h>, Done<'h>)> {
    let mut ended = writes.clone();
    ended.sort_by_key(|write| write.completed);
    let mut ended = ended.into_iter().peekable();
    let mut greatest: Option<&Operation<Op, Answer>> = None;
    let mut late = Vec::new();
    // They are in the order in which they began.
    for &write in writes {
        while let Some(before) = ended.next_if(|before| before.precedes(write)) {
            if greatest.is_none_or(|greatest| token(greatest) < token(before)) {
                greatest = Some(before);
            }
        }
        if let Some(greatest) = greatest.filter(|greatest| token(write) < token(greatest)) {
            late.push((write, greatest));
        }
    }
    late
}

/// Who gave a lock, to which of its holders.
fn grant(history: &History<Op, Answer>, operation: &Operation<Op, Answer>, to: &str) -> String {
    let end = operation.completed.unwrap_or(operation.invoked);
    let (who, index) = (history.who(operation.process), operation.invoked.index);
    format!("{who} gave it to {to} at {end} (operation {index}).")
}

/// Why a write should not have been accepted.
fn told(
    history: &History<Op, Answer>,
    granted: &BTreeMap<(u64, u64), Operations<'_>>,
    late: &Operation<Op, Answer>,
    later: &Operation<Op, Answer>,
    others: usize,
) -> Reason {
    let (Op::Write { lock, .. } | Op::Release { lock, .. } | Op::Acquire { lock }) = late.op;
    let mut reason = Reason::new(format!(
        "a write of lock {lock} was accepted after one of a later holder"
    ));
    for write in [late, later] {
        let token = token(write);
        for holder in granted.get(&(lock, token)).into_iter().flatten() {
            let text = grant(history, holder, &format!("the holder of token {token}"));
            reason = reason.because(text, [holder.invoked.index]);
        }
    }
    for (write, when) in [(later, "accepted"), (late, "then accepted")] {
        let (who, index) = (history.who(write.process), write.invoked.index);
        let end = write.completed.unwrap_or(write.invoked);
        let text = format!(
            "{who} {when} a write with token {}, between {} and {end} (operation {index}).",
            token(write),
            write.invoked,
        );
        reason = reason.because(text, [index]);
    }
    match others {
        0 => reason,
        1 => reason.and_so("another write"),
        _ => reason.and_so(format!("{others} other writes")),
    }
}
