//! `kafka`: append-only logs, each message at an offset.
//!
//! Follows `jepsen.tests.kafka` as Maelstrom sets it up: one send or poll at a time, keys
//! assigned by `assign`, clients that crash now and then, and at the end new clients that
//! poll everything from the beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::Rng;
use serde_json::json;

use super::client::{Call, Client, Step, take};
use super::reply::{Reply, Shape};
use super::txn::{Generator, MicroOp};
use super::{Errors, FinalStep, FinalTurn, Invocation, Setting, Traffic, Turn};
use crate::edn::Edn;
use crate::history::{Op, OpType, Process};

const SEND_OK: Reply = Reply {
    kind: "send_ok",
    fields: &[("offset", Shape::Int)],
};
const POLL_OK: Reply = Reply {
    kind: "poll_ok",
    fields: &[("msgs", Shape::Messages)],
};
const COMMIT_OFFSETS_OK: Reply = Reply {
    kind: "commit_offsets_ok",
    fields: &[],
};
const LIST_COMMITTED_OFFSETS_OK: Reply = Reply {
    kind: "list_committed_offsets_ok",
    fields: &[("offsets", Shape::Offsets)],
};

/// One in so many operations is preceded by an `assign`.
const ASSIGN_EVERY: u64 = 64;
/// How often each thread's client crashes, on average.
const CRASH_INTERVAL: Duration = Duration::from_secs(30);
/// How long the final polls go on at most.
const FINAL_LIMIT: Duration = Duration::from_secs(10);
/// How far apart a thread's final polls are, on average.
const FINAL_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Marks the `assign` that starts from offset 0.
const SEEK_TO_BEGINNING: &str = "seek-to-beginning?";

/// Highest offsets, by key.
type Offsets = BTreeMap<u64, i64>;

/// The workload: sends and polls half and half, interspersed with assigns and crashes.
pub(super) struct Kafka {
    generator: Generator,
    /// A transaction that an `assign` went before.
    put_off: Option<Vec<MicroOp>>,
    crash_interval: Duration,
    next_crash: Duration,
    /// The highest offset of each key that anyone has sent or polled.
    highest: Offsets,
    unseen: Unseen,
    finale: Option<Finale>,
    concurrency: usize,
}

impl Kafka {
    pub(super) fn new(setting: &Setting) -> Kafka {
        Kafka {
            generator: Generator::new(setting, 1),
            put_off: None,
            crash_interval: CRASH_INTERVAL / setting.concurrency.max(1) as u32,
            next_crash: Duration::ZERO,
            highest: Offsets::new(),
            unseen: Unseen::default(),
            finale: None,
            concurrency: setting.concurrency,
        }
    }
}

impl Traffic for Kafka {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let Turn { threads, at, rng } = turn;
        let thread = threads.next_free()?;
        if self.next_crash <= at && rng.chance(0.5) {
            self.next_crash = at + self.crash_interval.mul_f64(2.0 * rng.unit());
            return Some((thread, Invocation::new("crash", Edn::Nil)));
        }
        let transaction = match self.put_off.take() {
            Some(transaction) => transaction,
            None => self.generator.transaction(rng),
        };
        let op = transaction[0];
        if rng.below(ASSIGN_EVERY) == 0 {
            self.put_off = Some(transaction);
            let (MicroOp::Read { key } | MicroOp::Write { key, .. }) = op;
            let assign = match rng.below(3) {
                0 => self.unseen.assign(key),
                _ => Invocation::new("assign", names([key])),
            };
            return Some((thread, assign));
        }
        Some((thread, send_or_poll(op)))
    }

    fn completed(&mut self, op: &Op) {
        if op.kind != OpType::Ok || !matches!(op.f.as_str(), "send" | "poll") {
            return;
        }
        let (sent, polled) = (sent_offset(&op.value), polled_offsets(&op.value));
        if let Some(finale) = &mut self.finale
            && let Process::Client(process) = op.process
        {
            finale.polled(process as usize % self.concurrency, &polled);
            return;
        }
        merge(&mut self.highest, &sent);
        merge(&mut self.highest, &polled);
        self.unseen.note(&sent, &polled);
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep {
        let (highest, threads) = (&self.highest, self.concurrency);
        let finale = self
            .finale
            .get_or_insert_with(|| Finale::new(highest, threads));
        finale.step(turn)
    }

    fn client(&self) -> Box<dyn Client> {
        Box::<Consumer>::default()
    }

    fn errors(&self) -> Errors {
        Errors::Told {
            idempotent: &["assign"],
        }
    }
}

/// What was sent and not polled by anyone yet.
#[derive(Default)]
struct Unseen {
    /// Of the keys whose sends are ahead of their polls, how far each has come.
    sent: Offsets,
    polled: Offsets,
}

impl Unseen {
    fn note(&mut self, sent: &Offsets, polled: &Offsets) {
        merge(&mut self.sent, sent);
        merge(&mut self.polled, polled);
        let last = |offsets: &Offsets, key| offsets.get(key).copied().unwrap_or(-1);
        let caught_up: Vec<u64> = [&self.sent, &self.polled]
            .into_iter()
            .flat_map(Offsets::keys)
            .filter(|key| last(&self.polled, key) >= last(&self.sent, key))
            .copied()
            .collect();
        for key in caught_up {
            self.sent.remove(&key);
            self.polled.remove(&key);
        }
    }

    /// An `assign` of a key and of all unseen ones.
    fn assign(&self, key: u64) -> Invocation {
        let mut keys: Vec<u64> = self.sent.keys().copied().collect();
        if !self.sent.contains_key(&key) {
            keys.push(key);
        }
        let mut op = Invocation::new("assign", names(keys));
        if !self.sent.is_empty() {
            let states = self.sent.iter().map(|(key, sent)| {
                let polled = self.polled.get(key).copied().unwrap_or(-1);
                let state = Edn::map([("polled", polled.into()), ("sent", (*sent).into())]);
                (Edn::from(*key), state)
            });
            op.extra
                .push(("unseen".to_owned(), Edn::Map(states.collect())));
        }
        op
    }
}

/// The final phase: each thread polls until it has seen every offset that was seen before.
struct Finale {
    keys: Vec<u64>,
    threads: Vec<Reader>,
}

struct Reader {
    missing: Offsets,
    next_poll: Duration,
}

impl Finale {
    fn new(highest: &Offsets, threads: usize) -> Finale {
        Finale {
            keys: highest.keys().copied().collect(),
            threads: (0..threads)
                .map(|_| Reader {
                    missing: highest.clone(),
                    next_poll: Duration::ZERO,
                })
                .collect(),
        }
    }

    fn polled(&mut self, thread: usize, offsets: &Offsets) {
        let missing = &mut self.threads[thread].missing;
        missing.retain(|key, target| offsets.get(key).is_none_or(|seen| seen < target));
    }

    fn step(&mut self, turn: FinalTurn<'_>) -> FinalStep {
        let reader = &mut self.threads[turn.thread];
        if reader.missing.is_empty() || turn.elapsed >= FINAL_LIMIT {
            return FinalStep::Done;
        }
        match turn.done {
            0 => FinalStep::Invoke(Invocation::new("crash", Edn::Nil)),
            1 => FinalStep::Invoke(Invocation {
                extra: vec![(SEEK_TO_BEGINNING.to_owned(), true.into())],
                ..Invocation::new("assign", names(self.keys.iter().copied()))
            }),
            _ if turn.elapsed < reader.next_poll => FinalStep::Wait(reader.next_poll),
            _ => {
                reader.next_poll = turn.elapsed + stagger(FINAL_POLL_INTERVAL, turn.rng);
                FinalStep::Invoke(poll())
            }
        }
    }
}

fn stagger(interval: Duration, rng: &mut Rng) -> Duration {
    interval.mul_f64(2.0 * rng.unit())
}

fn poll() -> Invocation {
    Invocation::new("poll", Edn::vector([Edn::vector([Edn::kw("poll")])]))
}

fn send_or_poll(op: MicroOp) -> Invocation {
    match op {
        MicroOp::Read { .. } => poll(),
        MicroOp::Write { key, value } => {
            let send = Edn::vector([Edn::kw("send"), name(key), value.into()]);
            Invocation::new("send", Edn::vector([send]))
        }
    }
}

fn name(key: u64) -> Edn {
    key.to_string().into()
}

fn names(keys: impl IntoIterator<Item = u64>) -> Edn {
    Edn::vector(keys.into_iter().map(name))
}

fn key_of(name: &Edn) -> Option<u64> {
    name.name()?.parse().ok()
}

fn merge(into: &mut Offsets, offsets: &Offsets) {
    for (key, offset) in offsets {
        let highest = into.entry(*key).or_insert(*offset);
        *highest = (*highest).max(*offset);
    }
}

/// The only micro-operation of a completed transaction.
fn micro_op(value: &Edn) -> Option<&[Edn]> {
    value.as_seq()?.first()?.as_seq()
}

/// The offset that a completed send was given.
fn sent_offset(value: &Edn) -> Offsets {
    let sent = || {
        let [f, key, pair] = micro_op(value)? else {
            return None;
        };
        let offset = pair.as_seq()?.first()?.as_int()?;
        (f.name() == Some("send")).then_some((key_of(key)?, offset.max(0)))
    };
    sent().into_iter().collect()
}

/// The highest offset of each key in a completed poll; -1 when a key came without messages.
fn polled_offsets(value: &Edn) -> Offsets {
    let messages = match micro_op(value) {
        Some([f, messages]) if f.name() == Some("poll") => messages.as_map().unwrap_or(&[]),
        _ => &[],
    };
    messages
        .iter()
        .filter_map(|(key, pairs)| {
            let pairs = pairs.as_seq().unwrap_or(&[]).iter();
            let offsets = pairs.filter_map(|pair| pair.as_seq()?.first()?.as_int());
            Some((key_of(key)?, offsets.fold(-1, i64::max)))
        })
        .collect()
}

/// A client: it polls from where it has come, and commits what it has polled.
#[derive(Default)]
struct Consumer {
    /// The next offset to poll, by the name of the key.
    next: BTreeMap<String, i64>,
    /// A poll whose offsets are being committed.
    polled: Edn,
}

impl Client for Consumer {
    fn invoke(&mut self, op: &Invocation) -> Step {
        let value = op.value.to_json();
        match op.f {
            "crash" => Step::Crash,
            "assign" if op.extra.iter().any(|(key, _)| key == SEEK_TO_BEGINNING) => {
                self.next = assigned(&op.value).map(|key| (key, 0)).collect();
                Step::Done(op.value.clone())
            }
            "assign" => Step::Call(Call {
                body: json!({"type": "list_committed_offsets", "keys": value}),
                reply: &LIST_COMMITTED_OFFSETS_OK,
            }),
            "send" => Step::Call(Call {
                body: json!({"type": "send", "key": value[0][1], "msg": value[0][2]}),
                reply: &SEND_OK,
            }),
            _ => Step::Call(Call {
                body: json!({"type": "poll", "offsets": self.next}),
                reply: &POLL_OK,
            }),
        }
    }

    fn reply(&mut self, op: &Invocation, mut body: Edn) -> Step {
        match body.get("type").and_then(Edn::name) {
            Some("list_committed_offsets_ok") => {
                let committed = take(&mut body, "offsets");
                let start = |key: &String| {
                    let own = self.next.get(key).copied();
                    own.or_else(|| committed.get(key)?.as_int()).unwrap_or(0)
                };
                let next = assigned(&op.value).map(|key| (start(&key), key));
                self.next = next.map(|(offset, key)| (key, offset)).collect();
                Step::Done(op.value.clone())
            }
            Some("send_ok") => {
                let mut send = micro_op(&op.value).unwrap_or(&[]).to_vec();
                if let Some(message) = send.pop() {
                    let offset = take(&mut body, "offset");
                    send.push(Edn::vector([offset, message]));
                }
                Step::Done(Edn::vector([Edn::Vector(send)]))
            }
            Some("poll_ok") => self.polled(take(&mut body, "msgs")),
            _ => Step::Done(std::mem::take(&mut self.polled)),
        }
    }
}

impl Consumer {
    fn polled(&mut self, messages: Edn) -> Step {
        let mut commit = BTreeMap::new();
        for (key, pairs) in messages.as_map().unwrap_or(&[]) {
            let key = key.name().unwrap_or_default();
            let pairs = pairs.as_seq().unwrap_or(&[]).iter();
            let highest = pairs.filter_map(|pair| pair.as_seq()?[0].as_int()).max();
            let next = self.next.entry(key.to_owned()).or_insert(0);
            *next = (*next).max(highest.unwrap_or(-1).saturating_add(1));
            if let Some(highest) = highest {
                commit.insert(key, highest.max(0));
            }
        }
        let value = Edn::vector([Edn::vector([Edn::kw("poll"), messages.clone()])]);
        if commit.is_empty() {
            return Step::Done(value);
        }
        self.polled = value;
        Step::Call(Call {
            body: json!({"type": "commit_offsets", "offsets": commit}),
            reply: &COMMIT_OFFSETS_OK,
        })
    }
}

/// The names of the keys that an `assign` assigns.
fn assigned(value: &Edn) -> impl Iterator<Item = String> {
    let names = value.as_seq().unwrap_or(&[]).iter();
    names.filter_map(|key| key.name().map(str::to_owned))
}
