//! Clients of a linearizable key-value store, and whether it was one. Stricter than the workload
//! `lin-kv`: that a key is missing, and that a value is another one, is a claim, too.

use glomer_runtime::Rng;
use glomer_workbench::checker::{Effect, Model, linearizable};
use glomer_workbench::history::typed::{History, Operation, Outcome};
use glomer_workbench::verdict::Validity;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Op {
    key: u64,
    f: Function,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Read,
    Write(u64),
    Cas { from: u64, to: u64, create: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    Value(u64),
    Missing,
    Differs,
}

impl Op {
    fn draw(rng: &Rng, first: u64, keys: u64) -> Op {
        let f = match rng.below(5) {
            0 | 1 => Function::Read,
            2 => Function::Write(rng.below(5)),
            _ => Function::Cas {
                from: rng.below(5),
                to: rng.below(5),
                create: rng.chance(0.1),
            },
        };
        let key = first + rng.below(keys);
        Op { key, f }
    }

    fn body(&self) -> String {
        let Op { key, f } = self;
        match f {
            Function::Read => json!({"type": "read", "key": key}),
            Function::Write(value) => json!({"type": "write", "key": key, "value": value}),
            Function::Cas { from, to, create } => json!({
                "type": "cas", "key": key, "from": from, "to": to, "create_if_not_exists": create,
            }),
        }
        .to_string()
    }
}

/// What a client knows after a reply, or after none.
fn outcome(reply: Option<&str>) -> Outcome<Answer> {
    let reply: Value = reply.map_or(Value::Null, |reply| serde_json::from_str(reply).unwrap());
    match (reply["type"].as_str(), reply["code"].as_u64()) {
        (Some("read_ok"), _) => Outcome::Ok(Answer::Value(reply["value"].as_u64().unwrap())),
        (Some("write_ok" | "cas_ok"), _) => Outcome::Ok(Answer::Done),
        (_, Some(20)) => Outcome::Ok(Answer::Missing),
        (_, Some(22)) => Outcome::Ok(Answer::Differs),
        (_, Some(11)) => Outcome::Fail,
        (_, Some(0) | None) => Outcome::Info,
        _ => panic!("what answer is this? {reply}"),
    }
}

#[derive(Debug)]
struct Registers;

impl Model for Registers {
    type Op = Op;
    type Output = Answer;
    type State = Option<u64>;
    type Key = u64;

    fn key(&self, op: &Op) -> u64 {
        op.key
    }

    fn initial(&self, _: &u64) -> Option<u64> {
        None
    }

    fn step(&self, value: &Option<u64>, op: &Op, answer: Option<&Answer>) -> Option<Option<u64>> {
        let (is, becomes) = match (op.f, *value) {
            (_, None) if !op.creates() => (Answer::Missing, None),
            (Function::Read, _) => (value.map_or(Answer::Missing, Answer::Value), *value),
            (Function::Write(new), _) => (Answer::Done, Some(new)),
            (Function::Cas { from, .. }, Some(value)) if value != from => {
                (Answer::Differs, Some(value))
            }
            (Function::Cas { to, .. }, _) => (Answer::Done, Some(to)),
        };
        answer.is_none_or(|answer| *answer == is).then_some(becomes)
    }

    fn effect(&self, op: &Op, answer: Option<&Answer>) -> Effect {
        match (op.f, answer) {
            (Function::Read, _) | (_, Some(Answer::Missing | Answer::Differs)) => Effect::Reads,
            (Function::Write(_), _) => Effect::Writes,
            (Function::Cas { .. }, _) => Effect::Any,
        }
    }

    fn words(&self, op: &Op, answer: Option<&Answer>) -> String {
        format!("{op:?}: {answer:?}")
    }
}

impl Op {
    fn creates(&self) -> bool {
        match self.f {
            Function::Read => false,
            Function::Write(_) => true,
            Function::Cas { create, .. } => create,
        }
    }
}

/// What time it is, never the same twice.
struct Clock {
    start: Instant,
    told: AtomicU64,
}

impl Clock {
    fn now(&self) -> Duration {
        let told = self.told.fetch_add(1, Ordering::SeqCst);
        self.start.elapsed() + Duration::from_nanos(told)
    }
}

/// So many clients, who ask until they have enough.
pub(crate) struct Clients<M> {
    pub(crate) count: u64,
    /// How many keys there are at a time. Each is left alone after a while, since it takes long
    /// to check what is asked of one for long.
    pub(crate) keys: u64,
    /// Whether a client that has asked so often asks once more.
    pub(crate) more: M,
}

/// So often a client asks before it goes on to other keys.
const ROUNDS: u64 = 40;

impl<M: Fn(u64) -> bool + Clone + Send + 'static> Clients<M> {
    /// Lets clients ask, one request at a time each, and gives what came of it.
    pub(crate) async fn ask<F>(
        &self,
        rng: Rng,
        ask: impl Fn(u64, String) -> F + Clone + Send + 'static,
    ) -> History<Op, Answer>
    where
        F: Future<Output = Option<String>> + Send,
    {
        let clock = Arc::new(Clock {
            start: Instant::now(),
            told: AtomicU64::new(0),
        });
        let mut clients = JoinSet::new();
        for client in 0..self.count {
            let (rng, ask, clock) = (rng.fork(), ask.clone(), Arc::clone(&clock));
            let Clients {
                count,
                keys,
                ref more,
            } = *self;
            let more = more.clone();
            clients.spawn(async move {
                let mut process = client;
                let mut operations = Vec::new();
                let mut asked = 0;
                while more(asked) {
                    let op = Op::draw(&rng, asked / ROUNDS * keys, keys);
                    asked += 1;
                    let operation = Operation::new(process, op, clock.now());
                    let outcome = outcome(ask(client, op.body()).await.as_deref());
                    operations.push(match outcome {
                        // It goes on as another one: nobody knows when this ends.
                        Outcome::Info => {
                            process += count;
                            operation
                        }
                        outcome => operation.ended(clock.now(), outcome),
                    });
                }
                operations
            });
        }
        clients.join_all().await.into_iter().flatten().collect()
    }
}

/// How many requests were answered for certain.
pub(crate) fn answered(history: &History<Op, Answer>) -> usize {
    let answered = |operation: &&Operation<Op, Answer>| operation.output().is_some();
    history.operations().iter().filter(answered).count()
}

/// Whether the history is that of linearizable registers, and why not.
pub(crate) fn check(history: &History<Op, Answer>) -> Result<(), String> {
    let verdict = linearizable(history, &Registers);
    if verdict.validity() == Validity::True {
        Ok(())
    } else {
        Err(format!("{verdict:?}"))
    }
}
