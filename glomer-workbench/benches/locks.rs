//! How long it takes to check a thousand histories of a lock service: ten seconds of twenty
//! operations a second by three clients, on five locks, now and then without an outcome.
//!
//! `cargo bench -p glomer-workbench --bench locks`

use std::time::{Duration, Instant};

use glomer_runtime::Rng;
use glomer_workbench::checker::{Model, linearizable};
use glomer_workbench::history::typed::{History, Operation, Outcome};
use glomer_workbench::verdict::Validity;

const HISTORIES: u64 = 1_000;
const OPERATIONS: u64 = 200;
const EVERY_MS: u64 = 50;
const CLIENTS: u64 = 3;
const LOCKS: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Op {
    Acquire(usize),
    Release(usize),
}

struct Locks;

impl Model for Locks {
    type Op = Op;
    type Output = bool;
    type State = bool;
    type Key = usize;

    fn key(&self, op: &Op) -> usize {
        match *op {
            Op::Acquire(lock) | Op::Release(lock) => lock,
        }
    }

    fn initial(&self, _: &usize) -> bool {
        false
    }

    fn step(&self, held: &bool, op: &Op, output: Option<&bool>) -> Option<bool> {
        let acquires = matches!(op, Op::Acquire(_));
        let succeeds = *held != acquires;
        let after = if succeeds { acquires } else { *held };
        output.is_none_or(|it| *it == succeeds).then_some(after)
    }
}

/// What a right lock service answers, with up to 100 ms on the way and back.
fn history(seed: u64) -> History<Op, bool> {
    let rng = &mut Rng::seeded(seed);
    let mut held = [false; LOCKS];
    let mut operations = Vec::new();
    for number in 0..OPERATIONS {
        let lock = rng.below(LOCKS as u64) as usize;
        let acquires = rng.chance(0.5);
        let succeeds = held[lock] != acquires;
        held[lock] = acquires;
        let op = if acquires {
            Op::Acquire(lock)
        } else {
            Op::Release(lock)
        };
        let at = 100 + number * EVERY_MS;
        let began = Duration::from_millis(at - rng.below(100));
        let operation = Operation::new(number % CLIENTS, op, began);
        operations.push(if rng.chance(0.02) {
            operation
        } else {
            let ended = Duration::from_millis(at + rng.below(100));
            operation.ended(ended, Outcome::Ok(succeeds))
        });
    }
    operations.into_iter().collect()
}

fn main() {
    let histories: Vec<History<Op, bool>> = (0..HISTORIES).map(history).collect();
    let begin = Instant::now();
    for (seed, history) in histories.iter().enumerate() {
        let verdict = linearizable(history, &Locks);
        assert_eq!(verdict.validity(), Validity::True, "seed {seed}");
    }
    let took = begin.elapsed().as_secs_f64() * 1e3;
    println!("{HISTORIES} histories of {OPERATIONS} operations checked in {took:.0} ms");
}
