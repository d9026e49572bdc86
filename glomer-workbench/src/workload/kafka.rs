//! `kafka`: append-only logs, each message at an offset.
//!
//! Follows `jepsen.tests.kafka` as Maelstrom sets it up: one send or poll at a time, keys
//! assigned by `assign`, clients that crash now and then, and at the end new clients that
//! poll everything from the beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use glomer_runtime::{Error, Rng};
use serde_json::json;

use super::txn::{Generator, MicroOp};
use super::{
    Client, Errors, FinalStep, FinalTurn, History, Notation, NotedOp, NotedOutput, Reply, Setting,
    Shape, Turn, Workload, take,
};
use crate::checker;
use crate::checker::kafka::{LogFunction, LogOp};
use crate::edn::Edn;
use crate::history::Op as Entry;
use crate::history::typed::{Operation, Outcome};
use crate::verdict::Verdict;

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
/// Tells what nobody had polled when an `assign` was chosen.
const UNSEEN: &str = "unseen";
/// Which keys were given to other clients during a poll.
const REBALANCE_LOG: &str = "rebalance-log";

/// Highest offsets, by key.
type Offsets = BTreeMap<u64, i64>;

/// The workload: sends and polls half and half, interspersed with assigns and crashes.
#[derive(Clone, Debug, Default)]
pub struct Kafka {
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

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Crash: a client without a memory follows.
    Crash,
    /// Follow these keys from now on.
    Assign {
        /// The keys.
        keys: Edn,
        /// Whether to begin with offset 0.
        from_beginning: bool,
        /// What nobody has polled yet, for the record.
        unseen: Option<Edn>,
    },
    /// Send a message to a key: `[[:send key message]]`.
    Send(Edn),
    /// Poll: `[[:poll]]`.
    Poll(Edn),
    /// What other tests of logs do.
    Other(Notation),
}

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        Ok(match self {
            Op::Crash => Notation::new("crash", Edn::Nil),
            Op::Assign {
                keys,
                from_beginning,
                unseen,
            } => {
                let seek = from_beginning.then(|| (SEEK_TO_BEGINNING.to_owned(), true.into()));
                let unseen = unseen.clone().map(|unseen| (UNSEEN.to_owned(), unseen));
                Notation {
                    extra: seek.into_iter().chain(unseen).collect(),
                    ..Notation::new("assign", keys.clone())
                }
            }
            Op::Send(value) => Notation::new("send", value.clone()),
            Op::Poll(value) => Notation::new("poll", value.clone()),
            Op::Other(notation) => notation.clone(),
        })
    }

    fn read(notation: &Notation) -> Result<Op, String> {
        let extra = |name| {
            let mut extra = notation.extra.iter();
            extra.find_map(|(key, value)| (key == name).then(|| value.clone()))
        };
        Ok(match notation.f.as_str() {
            "crash" => Op::Crash,
            "assign" => Op::Assign {
                keys: notation.value.clone(),
                from_beginning: extra(SEEK_TO_BEGINNING).is_some(),
                unseen: extra(UNSEEN),
            },
            "send" => Op::Send(notation.value.clone()),
            "poll" => Op::Poll(notation.value.clone()),
            _ => Op::Other(notation.clone()),
        })
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What was asked for, with the offset of what was sent or all that was polled.
    pub value: Edn,
    /// Keys that were given to another client, or taken from one, during a poll. Only other
    /// tests of logs have it.
    pub rebalanced: Vec<Edn>,
}

impl From<Edn> for Output {
    fn from(value: Edn) -> Output {
        Output {
            value,
            rebalanced: Vec::new(),
        }
    }
}

impl NotedOutput for Output {
    fn note(&self) -> Result<Edn, String> {
        Ok(self.value.clone())
    }

    fn read(value: &Edn) -> Result<Output, String> {
        Ok(value.clone().into())
    }

    /// Other tests of logs know what was sent or polled by an operation that did not end well.
    fn told(completion: &Entry) -> Result<Option<Output>, String> {
        let log = completion.extra.iter();
        let log = log.filter(|(key, _)| key == REBALANCE_LOG);
        let log = log.filter_map(|(_, log)| log.as_seq()).flatten();
        let keys = log.filter_map(|rebalance| rebalance.get("keys")?.as_seq());
        Ok(Some(Output {
            value: completion.value.clone(),
            rebalanced: keys.flatten().cloned().collect(),
        }))
    }
}

impl Workload for Kafka {
    const NAME: &'static str = "kafka";
    const ABOUT: &'static str = "Append-only logs; nothing is lost or out of order";
    const STALE_READS_MATTER: bool = true;
    /// Jepsen marks no operation as final.
    const MARKS_FINAL: bool = false;
    type Op = Op;
    type Output = Output;
    type Session = Consumer;

    fn begin(&mut self, setting: &Setting) {
        *self = Kafka {
            generator: Generator::new(setting, 1),
            crash_interval: CRASH_INTERVAL / setting.concurrency.max(1) as u32,
            concurrency: setting.concurrency,
            ..Kafka::default()
        };
    }

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        let Turn { at, rng, .. } = turn;
        if self.next_crash <= *at && rng.chance(0.5) {
            self.next_crash = *at + self.crash_interval.mul_f64(2.0 * rng.unit());
            return Some(Op::Crash);
        }
        let transaction = match self.put_off.take() {
            Some(transaction) => transaction,
            None => self.generator.transaction(rng),
        };
        let op = transaction[0];
        if rng.below(ASSIGN_EVERY) == 0 {
            self.put_off = Some(transaction);
            let (MicroOp::Read { key } | MicroOp::Write { key, .. }) = op;
            return Some(match rng.below(3) {
                0 => self.unseen.assign(key),
                _ => assign([key]),
            });
        }
        Some(send_or_poll(op))
    }

    async fn perform(consumer: &mut Consumer, client: &Client, op: &Op) -> Result<Output, Error> {
        let value = match op {
            Op::Crash => client.crash().await,
            Op::Assign {
                keys,
                from_beginning: true,
                ..
            } => {
                consumer.next = assigned(keys).map(|key| (key, 0)).collect();
                Ok(keys.clone())
            }
            Op::Assign { keys, .. } => consumer.assign(client, keys).await,
            Op::Send(value) => send(client, value).await,
            Op::Poll(_) => consumer.poll(client).await,
            Op::Other(notation) => Err(Error::not_supported(format!(
                "no client knows how to {}",
                notation.f
            ))),
        };
        value.map(Output::from)
    }

    fn completed(&mut self, operation: &Operation<Op, Output>) {
        let (Outcome::Ok(Output { value, .. }), Op::Send(_) | Op::Poll(_)) =
            (&operation.outcome, &operation.op)
        else {
            return;
        };
        let (sent, polled) = (sent_offset(value), polled_offsets(value));
        if let Some(finale) = &mut self.finale {
            finale.polled(operation.process as usize % self.concurrency, &polled);
            return;
        }
        merge(&mut self.highest, &sent);
        merge(&mut self.highest, &polled);
        self.unseen.note(&sent, &polled);
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep<Op> {
        let (highest, threads) = (&self.highest, self.concurrency);
        let finale = self
            .finale
            .get_or_insert_with(|| Finale::new(highest, threads));
        finale.step(turn)
    }

    fn errors(op: &Op) -> Errors {
        match op {
            Op::Assign { .. } => Errors::Harmless,
            // A poll may have committed what it polled, and fails all the same.
            _ => Errors::LastDefinite,
        }
    }

    fn check(&self, history: &History<Op, Output>) -> Verdict {
        checker::kafka::check(history, what).unwrap_or_else(Verdict::unknown)
    }

    fn meaning(name: &str) -> Option<&'static str> {
        Some(match name {
            "bad-error-types" => "the kinds of errors that make this invalid",
            "duplicate" => "one value stands at more than one offset",
            "inconsistent-offsets" => "one offset had more than one value",
            "int-nonmonotonic-poll" => "within one poll the offsets of a key do not rise",
            "int-nonmonotonic-send" => {
                "within one transaction the offsets of sends to a key do not rise"
            }
            "int-poll-skip" => "within one poll offsets are left out that exist",
            "lost-write" => {
                "acknowledged, older than something that was polled, and never polled itself"
            }
            "nonmonotonic-poll" => "a client's poll went back behind its poll before",
            "nonmonotonic-send" => "a client's send got an offset below its send before",
            "poll-skip" => "between two polls of a client offsets are left out that exist",
            "unseen" => "acknowledged, and in no poll",
            "worst-realtime-lag" => {
                "for how many seconds a client's polls went on without something that was acknowledged"
            }
            _ => return checker::txn::meaning(name),
        })
    }
}

/// What an operation is to the logs, with all that is known of what came back.
fn what(operation: &Operation<Op, Output>) -> Option<LogOp<'_>> {
    let (f, asked) = match &operation.op {
        Op::Crash => return None,
        Op::Assign { keys, .. } => (LogFunction::Assign, keys),
        Op::Send(value) => (LogFunction::Send, value),
        Op::Poll(value) => (LogFunction::Poll, value),
        Op::Other(Notation { f, value, .. }) => match f.as_str() {
            "subscribe" => (LogFunction::Subscribe, value),
            "txn" => (LogFunction::Txn, value),
            _ => return None,
        },
    };
    let told = operation.output().or(operation.partial.as_ref());
    Some(LogOp {
        f,
        value: told.map_or(asked, |output| &output.value),
        rebalanced: told.map_or(&[], |output| &output.rebalanced),
    })
}

/// What was sent and not polled by anyone yet.
#[derive(Clone, Debug, Default)]
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
    fn assign(&self, key: u64) -> Op {
        let mut keys: Vec<u64> = self.sent.keys().copied().collect();
        if !self.sent.contains_key(&key) {
            keys.push(key);
        }
        let states = self.sent.iter().map(|(key, sent)| {
            let polled = self.polled.get(key).copied().unwrap_or(-1);
            let state = Edn::map([("polled", polled.into()), ("sent", (*sent).into())]);
            (Edn::from(*key), state)
        });
        Op::Assign {
            keys: names(keys),
            from_beginning: false,
            unseen: (!self.sent.is_empty()).then(|| Edn::Map(states.collect())),
        }
    }
}

/// The final phase: each thread polls until it has seen every offset that was seen before.
#[derive(Clone, Debug)]
struct Finale {
    keys: Vec<u64>,
    threads: Vec<Reader>,
}

#[derive(Clone, Debug)]
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

    fn step(&mut self, turn: FinalTurn<'_>) -> FinalStep<Op> {
        let reader = &mut self.threads[turn.thread];
        if reader.missing.is_empty() || turn.elapsed >= FINAL_LIMIT {
            return FinalStep::Done;
        }
        match turn.done {
            0 => FinalStep::Invoke(Op::Crash),
            1 => FinalStep::Invoke(Op::Assign {
                keys: names(self.keys.iter().copied()),
                from_beginning: true,
                unseen: None,
            }),
            _ if turn.elapsed < reader.next_poll => FinalStep::Wait(reader.next_poll),
            _ => {
                reader.next_poll = turn.elapsed + stagger(FINAL_POLL_INTERVAL, turn.rng);
                FinalStep::Invoke(poll())
            }
        }
    }
}

fn stagger(interval: Duration, rng: &Rng) -> Duration {
    interval.mul_f64(2.0 * rng.unit())
}

fn poll() -> Op {
    Op::Poll(Edn::vector([Edn::vector([Edn::kw("poll")])]))
}

fn send_or_poll(op: MicroOp) -> Op {
    match op {
        MicroOp::Read { .. } => poll(),
        MicroOp::Write { key, value } => {
            let send = Edn::vector([Edn::kw("send"), name(key), value.into()]);
            Op::Send(Edn::vector([send]))
        }
    }
}

fn assign(keys: impl IntoIterator<Item = u64>) -> Op {
    Op::Assign {
        keys: names(keys),
        from_beginning: false,
        unseen: None,
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

/// Sends a message; the value tells its offset: `[[:send key [offset message]]]`.
async fn send(client: &Client, value: &Edn) -> Result<Edn, Error> {
    let json = value.to_json();
    let body = json!({"type": "send", "key": json[0][1], "msg": json[0][2]});
    let mut answer = client.ask(body, &SEND_OK).await?;
    let mut send = micro_op(value).unwrap_or(&[]).to_vec();
    if let Some(message) = send.pop() {
        let offset = take(&mut answer, "offset");
        send.push(Edn::vector([offset, message]));
    }
    Ok(Edn::vector([Edn::Vector(send)]))
}

/// What a client remembers: it polls from where it has come, and commits what it has polled.
#[derive(Debug, Default)]
pub struct Consumer {
    /// The next offset to poll, by the name of the key.
    next: BTreeMap<String, i64>,
}

impl Consumer {
    async fn assign(&mut self, client: &Client, keys: &Edn) -> Result<Edn, Error> {
        let body = json!({"type": "list_committed_offsets", "keys": keys.to_json()});
        let mut answer = client.ask(body, &LIST_COMMITTED_OFFSETS_OK).await?;
        let committed = take(&mut answer, "offsets");
        let start = |key: &String| {
            let own = self.next.get(key).copied();
            own.or_else(|| committed.get(key)?.as_int()).unwrap_or(0)
        };
        let next = assigned(keys).map(|key| (start(&key), key));
        self.next = next.map(|(offset, key)| (key, offset)).collect();
        Ok(keys.clone())
    }

    async fn poll(&mut self, client: &Client) -> Result<Edn, Error> {
        let body = json!({"type": "poll", "offsets": self.next});
        let mut answer = client.ask(body, &POLL_OK).await?;
        let messages = take(&mut answer, "msgs");
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
        if !commit.is_empty() {
            let body = json!({"type": "commit_offsets", "offsets": commit});
            client.ask(body, &COMMIT_OFFSETS_OK).await?;
        }
        Ok(Edn::vector([Edn::vector([Edn::kw("poll"), messages])]))
    }
}

/// The names of the keys that an `assign` assigns.
fn assigned(value: &Edn) -> impl Iterator<Item = String> {
    let names = value.as_seq().unwrap_or(&[]).iter();
    names.filter_map(|key| key.name().map(str::to_owned))
}
