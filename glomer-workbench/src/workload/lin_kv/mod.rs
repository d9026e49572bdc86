//! `lin-kv`: a linearizable map of registers.

mod check;

use std::collections::HashSet;
use std::time::Duration;

use glomer_runtime::{Error, Rng};
use serde_json::json;

use super::{
    Client, Errors, History, Notation, NotedOp, NotedOutput, Reply, Setting, Shape, Threads, Turn,
    Workload, notation, take,
};
use crate::edn::Edn;
use crate::verdict::Verdict;

const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::Any)],
};
const WRITE_OK: Reply = Reply {
    kind: "write_ok",
    fields: &[],
};
const CAS_OK: Reply = Reply {
    kind: "cas_ok",
    fields: &[],
};

/// How many processes may touch a key before the group moves on to another: the search for
/// a linear order grows with them.
const PROCESS_LIMIT: usize = 20;

/// Groups of two threads for each node, and each group works on a key of its own: half of
/// its threads read, the others write and compare-and-set numbers below 5, the latter twice
/// as often.
///
/// (In Jepsen's `linearizable-register`, only the first group has readers, since `reserve`
/// counts threads from 0 in each group. Here every group has.)
#[derive(Clone, Debug, Default)]
pub struct LinKv {
    groups: Vec<Group>,
    /// How many threads a group has.
    size: usize,
    next_key: u64,
    timeout: Duration,
}

#[derive(Clone, Debug, Default)]
struct Group {
    key: u64,
    processes: HashSet<u64>,
}

/// What a client does with a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// The key.
    pub key: Edn,
    /// What it does with it.
    pub f: Function,
}

/// What a client can do with a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// Tell its value.
    Read,
    /// Give it this value.
    Write(Edn),
    /// Replace the first value by the second.
    Cas(Edn, Edn),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The key.
    pub key: Edn,
    /// Its value or, of what is no read, what was asked for.
    pub value: Edn,
}

impl NotedOutput for Answer {
    fn note(&self) -> Result<Edn, String> {
        Ok(Edn::vector([self.key.clone(), self.value.clone()]))
    }

    fn read(value: &Edn) -> Result<Answer, String> {
        match value.as_seq() {
            Some([key, value]) => Ok(Answer {
                key: key.clone(),
                value: value.clone(),
            }),
            _ => Err("the value is not [key value]".to_owned()),
        }
    }
}

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        let (f, argument) = match &self.f {
            Function::Read => ("read", Edn::Nil),
            Function::Write(value) => ("write", value.clone()),
            Function::Cas(from, to) => ("cas", Edn::vector([from.clone(), to.clone()])),
        };
        Ok(Notation::new(f, Edn::vector([self.key.clone(), argument])))
    }

    fn read(notation: &Notation) -> Result<Op, String> {
        let Some([key, argument]) = notation.value.as_seq() else {
            return Err("the value is not [key value]".to_owned());
        };
        let f = match (notation.f.as_str(), argument.as_seq()) {
            ("read", _) => Function::Read,
            ("write", _) => Function::Write(argument.clone()),
            ("cas", Some([from, to])) => Function::Cas(from.clone(), to.clone()),
            ("cas", _) => return Err("the value of a cas is not [key [from to]]".to_owned()),
            (other, _) => return Err(notation::unknown(other, &["read", "write", "cas"])),
        };
        Ok(Op {
            key: key.clone(),
            f,
        })
    }
}

impl LinKv {
    fn readers_and_writers(
        &self,
        threads: &Threads,
        group: usize,
    ) -> (Option<usize>, Option<usize>) {
        let first = group * self.size;
        let middle = first + self.size / 2;
        (
            threads.next_free_in(first..middle),
            threads.next_free_in(middle..first + self.size),
        )
    }
}

impl Workload for LinKv {
    const NAME: &'static str = "lin-kv";
    const ABOUT: &'static str = "A map whose keys are linearizable registers";
    const STALE_READS_MATTER: bool = true;
    type Op = Op;
    type Output = Answer;
    type Session = ();

    fn can_run(setting: &Setting) -> Result<(), String> {
        let (concurrency, size) = (setting.concurrency, 2 * setting.nodes.len());
        if concurrency % size == 0 {
            return Ok(());
        }
        Err(format!(
            "lin-kv has groups of 2n = {size} clients, each at work on one key, and \
             {concurrency} clients make no whole number of groups; use --concurrency 2n, 4n, …"
        ))
    }

    fn begin(&mut self, setting: &Setting) {
        let size = 2 * setting.nodes.len();
        let groups = (setting.concurrency / size) as u64;
        *self = LinKv {
            groups: (0..groups)
                .map(|key| Group {
                    key,
                    ..Group::default()
                })
                .collect(),
            size,
            next_key: groups,
            timeout: (10 * setting.latency).max(Duration::from_secs(1)),
        };
    }

    fn thread(&mut self, threads: &Threads, rng: &Rng) -> Option<usize> {
        let (group_draw, role_draw) = (rng.unit(), rng.unit());
        let open: Vec<usize> = (0..self.groups.len())
            .filter(|group| self.readers_and_writers(threads, *group) != (None, None))
            .collect();
        let group = *open.get((group_draw * open.len() as f64) as usize)?;
        match self.readers_and_writers(threads, group) {
            (Some(reader), None) => Some(reader),
            (Some(reader), Some(_)) if role_draw < 0.5 => Some(reader),
            (_, writer) => writer,
        }
    }

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        let number = turn.thread / self.size;
        let first = number * self.size;
        let group = &mut self.groups[number];
        let now: Vec<u64> = (first..first + self.size)
            .map(|thread| turn.threads.process(thread))
            .collect();
        group.processes.extend(&now);
        if group.processes.len() > PROCESS_LIMIT.max(self.size) {
            group.key = self.next_key;
            group.processes = now.into_iter().collect();
            self.next_key += 1;
        }

        let value = || Edn::from(turn.rng.below(5));
        let f = if turn.thread < first + self.size / 2 {
            Function::Read
        } else {
            let [one, other] = [value(), value()];
            match turn.rng.below(3) {
                0 => Function::Write(one),
                _ => Function::Cas(one, other),
            }
        };
        Some(Op {
            key: group.key.into(),
            f,
        })
    }

    async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<Answer, Error> {
        let key = op.key.to_json();
        let value = match &op.f {
            Function::Read => {
                let body = json!({"type": "read", "key": key});
                let mut answer = client.ask(body, &READ_OK).await?;
                take(&mut answer, "value")
            }
            Function::Write(value) => {
                let body = json!({"type": "write", "key": key, "value": value.to_json()});
                client.ask(body, &WRITE_OK).await?;
                value.clone()
            }
            Function::Cas(from, to) => {
                let (from_json, to_json) = (from.to_json(), to.to_json());
                let body = json!({"type": "cas", "key": key, "from": from_json, "to": to_json});
                client.ask(body, &CAS_OK).await?;
                Edn::vector([from.clone(), to.clone()])
            }
        };
        let key = op.key.clone();
        Ok(Answer { key, value })
    }

    fn keeps_clients(&self) -> bool {
        true
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn errors(op: &Op) -> Errors {
        match op.f {
            Function::Read => Errors::Harmless,
            Function::Write(_) | Function::Cas(..) => Errors::Definite,
        }
    }

    fn check(&self, history: &History<Op, Answer>) -> Verdict {
        check::check(history)
    }

    fn meaning(name: &str) -> Option<&'static str> {
        Some(match name {
            "configs" => {
                "what the register may have been, and who was under way, when no order was left"
            }
            "final-paths" => {
                "the orders in which operations were tried last, and what each made of the register"
            }
            "op" => "the first operation that fits into no order with those before it",
            "previous-ok" => "the last operation before that one that ended well",
            _ => return None,
        })
    }
}
