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

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::edn::Edn;
use crate::history::{History, Op, OpType};

use super::order::{Effect, Ending, Found, Model, Object};
use super::{Validity, Verdict, merge_validity};

/// How many configurations and paths the results show.
const SHOWN: usize = 10;

/// # Errors
/// If a client operation is not `[key value]`, or not a read, write or cas.
pub(crate) fn check(history: &History) -> Result<Verdict, String> {
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
        let valid = linearizable.validity();
        verdicts.push(valid);
        if valid == Validity::False {
            failures.push(key.clone());
        }
        let timeline = Edn::map([("valid?", true.into())]);
        let result = Edn::map([
            ("linearizable", linearizable.to_edn(history)),
            ("timeline", timeline),
            ("valid?", valid.into()),
        ]);
        results.push((key.clone(), result));
    }
    Ok(Verdict::new(merge_validity(verdicts))
        .figure("results", Edn::Map(results))
        .figure("failures", Edn::Vector(failures)))
}

fn key_and_value(op: &Op) -> Result<(&Edn, &Edn), String> {
    match op.value.as_seq() {
        Some([key, value]) => Ok((key, value)),
        _ => Err(format!("the value is not [key value], in {}", op.to_edn())),
    }
}

/// What a register is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action<'a> {
    Read,
    Write(&'a Edn),
    Cas(&'a Edn, &'a Edn),
}

/// Knossos' model of a register: it starts with nil, and a read of nil fits any state.
#[derive(Default)]
struct CasRegister<'a>(PhantomData<&'a Edn>);

impl<'a> Model for CasRegister<'a> {
    type Op = Action<'a>;
    /// What was read.
    type Output = &'a Edn;
    type State = &'a Edn;
    type Key = ();

    fn key(&self, _: &Action<'a>) {}

    fn initial(&self, (): &()) -> &'a Edn {
        &Edn::Nil
    }

    fn step(&self, value: &&'a Edn, op: &Action<'a>, read: Option<&&'a Edn>) -> Option<&'a Edn> {
        match *op {
            Action::Read => read
                .is_none_or(|read| read.is_nil() || read == value)
                .then_some(*value),
            Action::Write(new) => Some(new),
            Action::Cas(from, to) => (*value == from).then_some(to),
        }
    }

    fn effect(&self, op: &Action<'a>, _: Option<&&'a Edn>) -> Effect {
        match op {
            Action::Read => Effect::Reads,
            Action::Write(_) => Effect::Writes,
            Action::Cas(..) => Effect::Any,
        }
    }
}

/// The operations on one key.
#[derive(Default)]
struct Register<'a> {
    /// Invocation and completion of each of `actions`.
    ops: Vec<(&'a Op, Option<&'a Op>)>,
    /// What was asked for and, of a read, what came back.
    actions: Vec<(Action<'a>, Option<&'a Edn>)>,
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
        let (action, read) = match (invocation.f.as_str(), kind) {
            ("read" | "write" | "cas", OpType::Fail) => return Ok(()),
            ("read", OpType::Ok) => (Action::Read, Some(answered)),
            // A read that nobody saw the result of has no effect and fits anywhere.
            ("read", _) => return Ok(()),
            ("write", _) => (Action::Write(asked), None),
            ("cas", _) => match asked.as_seq() {
                Some([from, to]) => (Action::Cas(from, to), None),
                _ => return Err(format!("cas takes [from to], in {}", invocation.to_edn())),
            },
            _ => return Err(format!("not a read, write or cas: {}", invocation.to_edn())),
        };
        self.ops.push((invocation, completion));
        self.actions.push((action, read));
        Ok(())
    }

    /// Where an operation returned, if it took effect.
    fn returned(&self, operation: usize) -> Option<usize> {
        let completion = self.ops[operation].1.filter(|op| op.kind == OpType::Ok);
        completion.map(|op| op.index)
    }

    fn check(&self) -> Verdict {
        let model = CasRegister::default();
        let mut object = Object::new(&model, &());
        for (number, (action, read)) in self.actions.iter().enumerate() {
            let invoked = self.ops[number].0.index;
            object.add(action, read.as_ref(), invoked, self.returned(number));
        }
        match object.find_order() {
            Found::Order(endings) => Verdict::new(true)
                .figure("configs", self.configs(&object, &endings))
                .figure("final-paths", Edn::List(Vec::new())),
            Found::Stuck { call, before, .. } => self.stuck(&object, call, &before),
            Found::TooMany { call } => {
                Verdict::unknown("too many operations under way at once to try their orders")
                    .figure("op", self.completed(call))
            }
        }
    }

    fn stuck(
        &self,
        object: &Object<'_, CasRegister<'a>>,
        stuck: usize,
        before: &[Ending],
    ) -> Verdict {
        let op = self.completed(stuck);
        let returned = |operation: &usize| self.returned(*operation);
        let previous = (0..self.ops.len())
            .filter(|other| returned(other).is_some() && returned(other) < returned(&stuck))
            .max_by_key(returned);
        let paths = before.iter().take(SHOWN).map(|ending| {
            let value = object.state(ending);
            let last = ending
                .last
                .map(|last| Edn::map([("op", self.completed(last)), ("model", register(value))]));
            let contradiction = Edn::map([
                ("op", op.clone()),
                ("model", self.inconsistent(stuck, value)),
            ]);
            Edn::vector(last.into_iter().chain([contradiction]))
        });
        let last = before.iter().find_map(|ending| ending.last);
        let shown = |op: Option<usize>| op.map_or(Edn::Nil, |op| self.completed(op));
        let paths = Edn::list(paths);
        Verdict::new(false)
            .figure("configs", self.configs(object, before))
            .figure("final-paths", paths)
            .figure("previous-ok", shown(previous))
            .figure("last-op", shown(last))
            .figure("op", op)
    }

    fn configs(&self, object: &Object<'_, CasRegister<'a>>, endings: &[Ending]) -> Edn {
        Edn::list(endings.iter().take(SHOWN).map(|ending| {
            let last = ending.last.map(|op| self.completed(op));
            let pending = ending.pending.iter().map(|&op| self.invoked(op));
            Edn::map([
                ("model", register(object.state(ending))),
                ("last-op", last.into()),
                ("pending", Edn::vector(pending)),
            ])
        }))
    }

    fn inconsistent(&self, operation: usize, value: &Edn) -> Edn {
        let (action, read) = self.actions[operation];
        let message = match action {
            Action::Cas(from, to) => format!("can't CAS {value} from {from} to {to}"),
            Action::Read => {
                let read = read.unwrap_or(&Edn::Nil);
                format!("can't read {read} from register {value}")
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
        let source = match self.actions[operation].0 {
            Action::Read => completion.unwrap_or(invocation),
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

fn register(value: &Edn) -> Edn {
    let map = Edn::map([("value", value.clone())]);
    Edn::Tagged("knossos.model.CASRegister".to_owned(), Box::new(map))
}
