//! Histories of systems that work as they should, made up from a seed: any number of clients at
//! once, operations that take effect at some moment while they are under way, and some whose end
//! nobody sees.

use std::collections::{BTreeMap, BTreeSet};

use glomer_runtime::Rng;
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};

/// What makes histories hard to read.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    /// How likely an operation ends with nobody knowing whether it took effect.
    pub(crate) info: f64,
    /// How likely it is refused.
    pub(crate) fail: f64,
}

/// A system that does one thing after the other.
pub(crate) trait Model {
    /// What a client asks for next.
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn);

    /// Does it. An error is a refusal.
    fn apply(&mut self, process: u64, f: &str, value: &Edn) -> Result<Edn, Edn>;

    /// What every client asks for once at the end.
    fn last_request(&self) -> Option<(&'static str, Edn)> {
        None
    }
}

struct Pending {
    process: u64,
    f: &'static str,
    value: Edn,
    done: Option<Result<Edn, Edn>>,
}

/// The history of `clients` that work on the model until they asked `operations` times.
pub(crate) fn run(
    model: &mut impl Model,
    seed: u64,
    clients: u64,
    operations: usize,
    trouble: Trouble,
) -> History {
    let rng = &mut Rng::seeded(seed);
    let mut history: Vec<Op> = Vec::new();
    let mut time = 0;
    let mut idle: Vec<u64> = (0..clients).collect();
    let mut pending: Vec<Pending> = Vec::new();
    let mut orphans: Vec<Pending> = Vec::new();
    let mut started = 0;
    let mut record = |rng: &mut Rng, kind, process, f, value, is_final| {
        time += rng.below(2_000_000) as i64;
        history.push(Op {
            time,
            is_final,
            ..Op::new(kind, Process::Client(process), f, value)
        });
    };
    while started < operations || !pending.is_empty() {
        match rng.below(4) {
            0 if started < operations && !idle.is_empty() => {
                let process = idle.swap_remove(rng.below(idle.len() as u64) as usize);
                let (f, value) = model.request(rng);
                record(rng, OpType::Invoke, process, f, value.clone(), false);
                started += 1;
                pending.push(Pending {
                    process,
                    f,
                    value,
                    done: None,
                });
            }
            1 | 2 if !pending.is_empty() => {
                let at = rng.below(pending.len() as u64) as usize;
                let ends_in_the_dark = rng.chance(trouble.info);
                let refused = pending[at].done.is_none() && rng.chance(trouble.fail);
                if !ends_in_the_dark && !refused && pending[at].done.is_none() {
                    let Pending {
                        process, f, value, ..
                    } = &pending[at];
                    pending[at].done = Some(model.apply(*process, f, value));
                    continue;
                }
                let op = pending.swap_remove(at);
                let (process, f) = (op.process, op.f);
                if ends_in_the_dark {
                    record(rng, OpType::Info, process, f, op.value.clone(), false);
                    // The client comes back under a new number.
                    idle.push(process + clients);
                    orphans.push(op);
                    continue;
                }
                idle.push(process);
                match op.done {
                    Some(Ok(value)) => record(rng, OpType::Ok, process, f, value, false),
                    _ => record(rng, OpType::Fail, process, f, op.value, false),
                }
            }
            // What nobody waits for any more may still happen.
            3 if !orphans.is_empty() => {
                let at = rng.below(orphans.len() as u64) as usize;
                let op = orphans.swap_remove(at);
                if op.done.is_none() && rng.chance(0.5) {
                    let _ = model.apply(op.process, op.f, &op.value);
                }
            }
            _ => {}
        }
    }
    for process in idle {
        if let Some((f, value)) = model.last_request() {
            record(rng, OpType::Invoke, process, f, value.clone(), true);
            let answer = model.apply(process, f, &value).unwrap();
            record(rng, OpType::Ok, process, f, answer, true);
        }
    }
    history.into_iter().collect()
}

/// Ids, one after the other.
#[derive(Default)]
pub(crate) struct Ids(i64);

impl Model for Ids {
    fn request(&mut self, _: &mut Rng) -> (&'static str, Edn) {
        ("generate", Edn::Nil)
    }

    fn apply(&mut self, _: u64, _: &str, _: &Edn) -> Result<Edn, Edn> {
        self.0 += 1;
        Ok(self.0.into())
    }
}

/// A set.
pub(crate) struct Set {
    elements: BTreeSet<Edn>,
    next: i64,
    reads: u64,
}

impl Set {
    /// A set of which one in so many requests is a read.
    pub(crate) fn with_reads(reads: u64) -> Self {
        Self {
            elements: BTreeSet::new(),
            next: 0,
            reads,
        }
    }
}

impl Model for Set {
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn) {
        if rng.below(self.reads) == 0 {
            return ("read", Edn::Nil);
        }
        self.next += 1;
        ("add", self.next.into())
    }

    fn apply(&mut self, _: u64, f: &str, value: &Edn) -> Result<Edn, Edn> {
        if f == "read" {
            return Ok(Edn::vector(self.elements.iter().cloned()));
        }
        self.elements.insert(value.clone());
        Ok(value.clone())
    }

    fn last_request(&self) -> Option<(&'static str, Edn)> {
        Some(("read", Edn::Nil))
    }
}

/// A counter.
#[derive(Default)]
pub(crate) struct Counter(i64);

impl Model for Counter {
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn) {
        if rng.chance(0.5) {
            return ("read", Edn::Nil);
        }
        ("add", (rng.below(10) as i64 - 5).into())
    }

    fn apply(&mut self, _: u64, f: &str, value: &Edn) -> Result<Edn, Edn> {
        if f == "read" {
            return Ok(self.0.into());
        }
        self.0 += value.as_int().unwrap();
        Ok(value.clone())
    }

    fn last_request(&self) -> Option<(&'static str, Edn)> {
        Some(("read", Edn::Nil))
    }
}

/// Registers.
pub(crate) struct Registers {
    keys: u64,
    values: BTreeMap<Edn, Edn>,
}

impl Registers {
    pub(crate) fn new(keys: u64) -> Self {
        Self {
            keys,
            values: BTreeMap::new(),
        }
    }
}

impl Model for Registers {
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn) {
        let key = Edn::from(rng.below(self.keys));
        let value = || Edn::from(rng.below(5));
        let (f, value) = match value().as_int().unwrap() {
            0 => ("write", value()),
            1 | 2 => ("cas", Edn::vector([value(), value()])),
            _ => ("read", Edn::Nil),
        };
        (f, Edn::vector([key, value]))
    }

    fn apply(&mut self, _: u64, f: &str, value: &Edn) -> Result<Edn, Edn> {
        let [key, asked] = value.as_seq().unwrap() else {
            panic!("{value}");
        };
        let current = self.values.get(key).cloned();
        match f {
            "read" => match current {
                Some(current) => Ok(Edn::vector([key.clone(), current])),
                None => Err(Edn::kw("key-does-not-exist")),
            },
            "write" => {
                self.values.insert(key.clone(), asked.clone());
                Ok(value.clone())
            }
            _ => {
                let [from, to] = asked.as_seq().unwrap() else {
                    panic!("{value}");
                };
                if current.as_ref() != Some(from) {
                    return Err(Edn::kw("precondition-failed"));
                }
                self.values.insert(key.clone(), to.clone());
                Ok(value.clone())
            }
        }
    }
}

/// Logs, with gaps between their offsets, of which each client follows some.
#[derive(Default)]
pub(crate) struct Logs {
    logs: BTreeMap<Edn, Vec<(i64, i64)>>,
    next: i64,
    positions: BTreeMap<u64, BTreeMap<Edn, usize>>,
}

impl Logs {
    fn key(rng: &mut Rng) -> Edn {
        rng.below(4).to_string().into()
    }
}

impl Model for Logs {
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn) {
        match rng.below(8) {
            0 => {
                let keys: BTreeSet<Edn> = (0..3).map(|_| Self::key(rng)).collect();
                ("assign", Edn::vector(keys))
            }
            1..4 => {
                self.next += 1;
                let send = Edn::vector([Edn::kw("send"), Self::key(rng), self.next.into()]);
                ("send", Edn::vector([send]))
            }
            _ => ("poll", Edn::vector([Edn::vector([Edn::kw("poll")])])),
        }
    }

    fn apply(&mut self, process: u64, f: &str, value: &Edn) -> Result<Edn, Edn> {
        let positions = self.positions.entry(process).or_default();
        match f {
            "assign" => {
                // Whoever follows a key anew starts from its beginning.
                let before = std::mem::take(positions);
                for key in value.as_seq().unwrap() {
                    let position = before.get(key).copied().unwrap_or_default();
                    positions.insert(key.clone(), position);
                }
                Ok(value.clone())
            }
            "send" => {
                let [send] = value.as_seq().unwrap() else {
                    panic!("{value}");
                };
                let [_, key, message] = send.as_seq().unwrap() else {
                    panic!("{value}");
                };
                let log = self.logs.entry(key.clone()).or_default();
                let message = message.as_int().unwrap();
                let offset = log.last().map_or(0, |(offset, _)| offset + 1 + message % 3);
                log.push((offset, message));
                let sent = Edn::vector([offset, message]);
                let send = Edn::vector([Edn::kw("send"), key.clone(), sent]);
                Ok(Edn::vector([send]))
            }
            _ => {
                let mut polled = Vec::new();
                for (key, position) in positions {
                    let log = self.logs.entry(key.clone()).or_default();
                    let messages = &log[*position..log.len().min(*position + 8)];
                    *position += messages.len();
                    let messages = messages
                        .iter()
                        .map(|(offset, message)| Edn::vector([*offset, *message]));
                    polled.push((key.clone(), Edn::vector(messages)));
                }
                let poll = Edn::vector([Edn::kw("poll"), Edn::Map(polled)]);
                Ok(Edn::vector([poll]))
            }
        }
    }
}

/// Transactions over lists or registers.
pub(crate) struct Transactions {
    lists: bool,
    values: BTreeMap<Edn, Vec<i64>>,
    next: BTreeMap<Edn, i64>,
}

impl Transactions {
    pub(crate) fn over_lists() -> Self {
        Self {
            lists: true,
            values: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }

    pub(crate) fn over_registers() -> Self {
        Self {
            lists: false,
            ..Self::over_lists()
        }
    }
}

impl Model for Transactions {
    fn request(&mut self, rng: &mut Rng) -> (&'static str, Edn) {
        // A key is written about sixteen times, then another takes its place.
        let writes: i64 = self.next.values().sum();
        let mops = (0..rng.range(1..5)).map(|_| {
            let key = Edn::from(writes / 64 + rng.below(4) as i64);
            if rng.chance(0.5) {
                return Edn::vector([Edn::kw("r"), key, Edn::Nil]);
            }
            let value = self.next.entry(key.clone()).or_default();
            *value += 1;
            let function = Edn::kw(if self.lists { "append" } else { "w" });
            Edn::vector([function, key, (*value).into()])
        });
        ("txn", Edn::vector(mops.collect::<Vec<Edn>>()))
    }

    fn apply(&mut self, _: u64, _: &str, value: &Edn) -> Result<Edn, Edn> {
        let mops = value.as_seq().unwrap().iter().map(|mop| {
            let [function, key, value] = mop.as_seq().unwrap() else {
                panic!("{mop}");
            };
            let values = self.values.entry(key.clone()).or_default();
            if function.name() != Some("r") {
                values.push(value.as_int().unwrap());
                return mop.clone();
            }
            let read = if self.lists {
                Edn::vector(values.iter().copied())
            } else {
                values.last().copied().into()
            };
            Edn::vector([function.clone(), key.clone(), read])
        });
        Ok(Edn::vector(mops.collect::<Vec<Edn>>()))
    }
}
