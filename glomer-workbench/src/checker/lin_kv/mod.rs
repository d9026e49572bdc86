//! lin-kv: each key is a linearizable register.
//!
//! The map is laid out as by Jepsen's independent checker over Knossos: under `:results`, for
//! every key, whether its operations are linearizable, with up to ten of the configurations the
//! register may be in after all of them (`:configs`: its value, the operation that took effect
//! last, and those that have not) or, if there is none, before the operation (`:op`) that no
//! order explains. Keys that are not linearizable are the `:failures`.
//!
//! Knossos' model is followed where it is lenient: a read without a value fits any state, and
//! failed operations, whatever the reason they give, constrain nothing.

mod search;

use std::collections::{BTreeMap, HashMap};

use crate::edn::Edn;
use crate::history::{History, Op, OpType};

use super::{Validity, merge_validity};
use search::{Action, NIL, Operation, Outcome, State, Value};

/// How many configurations and paths the results show.
const SHOWN: usize = 10;

/// # Errors
/// If a client operation is not `[key value]`, or not a read, write or cas.
pub(crate) fn check(history: &History) -> Result<Edn, String> {
    let mut keys: BTreeMap<&Edn, Register<'_>> = BTreeMap::new();
    for (invocation, completion) in history.pairs() {
        let (key, asked) = key_and_value(invocation)?;
        let answered = match completion {
            Some(op) => key_and_value(op)?.1,
            None => &Edn::Nil,
        };
        keys.entry(key)
            .or_default()
            .add(invocation, asked, completion, answered)?;
    }

    let mut verdicts = Vec::new();
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for (key, register) in keys {
        let linearizable = register.check();
        let valid = Validity::of(&linearizable);
        verdicts.push(valid);
        if valid == Validity::False {
            failures.push(key.clone());
        }
        let timeline = Edn::map([("valid?", true.into())]);
        let result = Edn::map([
            ("linearizable", linearizable),
            ("timeline", timeline),
            ("valid?", valid.into()),
        ]);
        results.push((key.clone(), result));
    }
    Ok(Edn::map([
        ("valid?", merge_validity(verdicts).into()),
        ("results", Edn::Map(results)),
        ("failures", Edn::Vector(failures)),
    ]))
}

fn key_and_value(op: &Op) -> Result<(&Edn, &Edn), String> {
    match op.value.as_seq() {
        Some([key, value]) => Ok((key, value)),
        _ => Err(format!("the value is not [key value], in {}", op.to_edn())),
    }
}

/// The operations on one key, as the history has them and as the search takes them.
#[derive(Default)]
struct Register<'a> {
    /// Invocation and completion of each of `operations`.
    ops: Vec<(&'a Op, Option<&'a Op>)>,
    operations: Vec<Operation>,
    /// What the search's values stand for; [`NIL`] for nil.
    values: Vec<&'a Edn>,
    numbers: HashMap<&'a Edn, Value>,
}

impl<'a> Register<'a> {
    fn add(
        &mut self,
        invocation: &'a Op,
        asked: &'a Edn,
        completion: Option<&'a Op>,
        answered: &'a Edn,
    ) -> Result<(), String> {
        let kind = completion.map_or(OpType::Info, |op| op.kind);
        let action = match (invocation.f.as_str(), kind) {
            ("read" | "write" | "cas", OpType::Fail) => return Ok(()),
            ("read", OpType::Ok) => Action::Read(self.number(answered)),
            // A read that nobody saw the result of has no effect and fits anywhere.
            ("read", _) => return Ok(()),
            ("write", _) => Action::Write(self.number(asked)),
            ("cas", _) => match asked.as_seq() {
                Some([from, to]) => Action::Cas(self.number(from), self.number(to)),
                _ => return Err(format!("cas takes [from to], in {}", invocation.to_edn())),
            },
            _ => return Err(format!("not a read, write or cas: {}", invocation.to_edn())),
        };
        self.ops.push((invocation, completion));
        self.operations.push(Operation {
            action,
            invoked: invocation.index,
            returned: completion.filter(|_| kind == OpType::Ok).map(|op| op.index),
        });
        Ok(())
    }

    fn number(&mut self, value: &'a Edn) -> Value {
        if value.is_nil() {
            return NIL;
        }
        let values = &mut self.values;
        *self.numbers.entry(value).or_insert_with(|| {
            values.push(value);
            // Numbers from 1, NIL is 0. There are fewer values than operations.
            values.len() as Value
        })
    }

    fn value(&self, number: Value) -> &'a Edn {
        match number {
            NIL => &Edn::Nil,
            number => self.values[number as usize - 1],
        }
    }

    fn check(&self) -> Edn {
        match search::search(&self.operations) {
            Outcome::Linearizable(states) => Edn::map([
                ("valid?", true.into()),
                ("configs", self.configs(&states)),
                ("final-paths", Edn::List(Vec::new())),
            ]),
            Outcome::Stuck { operation, states } => self.stuck(operation, &states),
            Outcome::TooWide { operation } => Edn::map([
                ("valid?", Validity::Unknown.into()),
                (
                    "error",
                    "too many operations under way at once to try their orders".into(),
                ),
                ("op", self.completed(operation)),
            ]),
        }
    }

    fn stuck(&self, stuck: usize, states: &[State]) -> Edn {
        let op = self.completed(stuck);
        let returned = |operation: &usize| self.operations[*operation].returned;
        let previous = (0..self.operations.len())
            .filter(|other| returned(other).is_some() && returned(other) < returned(&stuck))
            .max_by_key(returned);
        let paths = states.iter().take(SHOWN).map(|state| {
            let last = state.last.map(|last| {
                Edn::map([
                    ("op", self.completed(last)),
                    ("model", self.model(state.value)),
                ])
            });
            let contradiction = Edn::map([
                ("op", op.clone()),
                ("model", self.inconsistent(stuck, state.value)),
            ]);
            Edn::vector(last.into_iter().chain([contradiction]))
        });
        let last = states.iter().find_map(|state| state.last);
        let shown = |op: Option<usize>| op.map_or(Edn::Nil, |op| self.completed(op));
        Edn::map([
            ("valid?", false.into()),
            ("configs", self.configs(states)),
            ("final-paths", Edn::list(paths)),
            ("previous-ok", shown(previous)),
            ("last-op", shown(last)),
            ("op", op),
        ])
    }

    fn configs(&self, states: &[State]) -> Edn {
        Edn::list(states.iter().take(SHOWN).map(|state| {
            let last = state.last.map(|op| self.completed(op));
            let pending = state.pending.iter().map(|&op| self.invoked(op));
            Edn::map([
                ("model", self.model(state.value)),
                ("last-op", last.into()),
                ("pending", Edn::vector(pending)),
            ])
        }))
    }

    fn model(&self, value: Value) -> Edn {
        let map = Edn::map([("value", self.value(value).clone())]);
        Edn::Tagged("knossos.model.CASRegister".to_owned(), Box::new(map))
    }

    fn inconsistent(&self, operation: usize, value: Value) -> Edn {
        let register = self.value(value);
        let message = match self.operations[operation].action {
            Action::Cas(from, to) => format!(
                "can't CAS {register} from {} to {}",
                self.value(from),
                self.value(to)
            ),
            Action::Read(read) => {
                format!("can't read {} from register {register}", self.value(read))
            }
            Action::Write(_) => "can't write".to_owned(),
        };
        let map = Edn::map([("msg", message.into())]);
        Edn::Tagged("knossos.model.Inconsistent".to_owned(), Box::new(map))
    }

    fn completed(&self, operation: usize) -> Edn {
        let (invocation, completion) = self.ops[operation];
        self.shown(completion.unwrap_or(invocation), operation)
    }

    fn invoked(&self, operation: usize) -> Edn {
        self.shown(self.ops[operation].0, operation)
    }

    /// An operation on a register: without the key, and with the value that a read returned.
    fn shown(&self, op: &Op, operation: usize) -> Edn {
        let (invocation, completion) = self.ops[operation];
        let source = match self.operations[operation].action {
            Action::Read(_) => completion.unwrap_or(invocation),
            _ => invocation,
        };
        let value = source.value.as_seq().and_then(<[Edn]>::last);
        Edn::map([
            ("process", op.process.into()),
            ("type", Edn::kw(op.kind.name())),
            ("f", Edn::kw(&op.f)),
            ("value", value.cloned().unwrap_or_default()),
            ("index", op.index.into()),
            ("time", op.time.into()),
        ])
    }
}
