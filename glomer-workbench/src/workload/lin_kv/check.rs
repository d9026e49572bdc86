//! What must hold: each key is a linearizable register.
//!
//! The map is laid out as by Jepsen's independent checker over Knossos: under `:results`, for
//! every key, whether its operations are linearizable, with up to ten of the configurations the
//! register may be in after all of them (`:configs`: its value, the operation that took effect
//! last, and those that have not) or, if there is none, before the operation (`:op`) that no
//! order explains. Keys that are not linearizable are the `:failures`.
//!
//! Knossos' model is followed where it is lenient: a read without a value fits any state, and
//! failed operations, whatever the reason they give, constrain nothing.

use std::fmt;

use super::{Answer, Function, Op};
use crate::checker::order::{Ending, Found, Searched, search_each};
use crate::checker::{Effect, Model};
use crate::edn::Edn;
use crate::history::OpType;
use crate::history::typed::{History, Moment, Operation, Outcome};
use crate::verdict::{Validity, Verdict, merge_validity};

/// How many configurations and paths the results show.
const SHOWN: usize = 10;

/// Whether each key is linearizable.
pub(super) fn check(history: &History<Op, Answer>) -> Verdict {
    let registers = search_each(history, &Registers);
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for register in &registers {
        let valid = register.validity();
        if valid == Validity::False {
            failures.push(register.key.clone());
        }
        let result = Edn::map([
            ("linearizable", linearizable(register)),
            ("timeline", Edn::map([("valid?", true.into())])),
            ("valid?", valid.into()),
        ]);
        results.push((register.key.clone(), result));
    }
    let verdict = Verdict::new(merge_validity(registers.iter().map(Searched::validity)))
        .figure("results", Edn::Map(results))
        .figure("failures", Edn::Vector(failures));
    let reasons = registers
        .iter()
        .filter_map(|register| register.reason(history));
    reasons.fold(verdict, Verdict::because)
}

/// Knossos' model of a register: it starts with nil, and a read of nil fits any state.
struct Registers;

/// What a register holds.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Value(Edn);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Model for Registers {
    type Op = Op;
    type Output = Answer;
    type State = Value;
    type Key = Edn;

    fn key(&self, op: &Op) -> Edn {
        op.key.clone()
    }

    fn initial(&self, _: &Edn) -> Value {
        Value(Edn::Nil)
    }

    fn step(&self, value: &Value, op: &Op, answer: Option<&Answer>) -> Option<Value> {
        match &op.f {
            Function::Read => answer
                .is_none_or(|answer| answer.value.is_nil() || answer.value == value.0)
                .then(|| value.clone()),
            Function::Write(new) => Some(Value(new.clone())),
            Function::Cas(from, to) => (value.0 == *from).then(|| Value(to.clone())),
        }
    }

    fn effect(&self, op: &Op, _: Option<&Answer>) -> Effect {
        match op.f {
            Function::Read => Effect::Reads,
            Function::Write(_) => Effect::Writes,
            Function::Cas(..) => Effect::Any,
        }
    }

    fn words(&self, op: &Op, answer: Option<&Answer>) -> String {
        let key = &op.key;
        match (&op.f, answer) {
            (Function::Read, Some(answer)) => format!("read {} from key {key}", answer.value),
            (Function::Read, None) => format!("read key {key}"),
            (Function::Write(value), _) => format!("write {value} to key {key}"),
            (Function::Cas(from, to), _) => format!("cas {from} to {to} at key {key}"),
        }
    }
}

type Register<'h> = Searched<'h, Registers>;

/// A register's results, as Knossos shows them.
fn linearizable(register: &Register<'_>) -> Edn {
    let valid = ("valid?", Edn::from(register.validity()));
    let operation = |place: usize| completed(register.operations[place]);
    match &register.found {
        Found::Order(endings) => Edn::map([
            valid,
            ("configs", configs(register, endings)),
            ("final-paths", Edn::List(Vec::new())),
        ]),
        Found::Stuck { call, before, .. } => {
            let last = before.iter().find_map(|ending| ending.last);
            let paths = before
                .iter()
                .take(SHOWN)
                .map(|ending| path(register, *call, ending));
            Edn::map([
                valid,
                ("configs", configs(register, before)),
                ("final-paths", Edn::list(paths)),
                ("previous-ok", previous_ok(register, *call).into()),
                ("last-op", last.map(operation).into()),
                ("op", operation(*call)),
            ])
        }
        Found::TooMany { call } => {
            let error = "too many operations under way at once to try their orders";
            Edn::map([valid, ("error", error.into()), ("op", operation(*call))])
        }
    }
}

/// The last operation that had returned before another one did.
fn previous_ok(register: &Register<'_>, stuck: usize) -> Option<Edn> {
    let returned = |operation: &Operation<Op, Answer>| operation.output().and(operation.completed);
    let end = returned(register.operations[stuck]);
    let before = register.operations.iter().filter(|other| {
        let other = returned(other);
        other.is_some() && other < end
    });
    before
        .max_by_key(|other| returned(other))
        .map(|other| completed(other))
}

/// The operation that took effect last, and what is impossible after it.
fn path(register: &Register<'_>, stuck: usize, ending: &Ending) -> Edn {
    let Value(value) = register.state(ending);
    let last = ending.last.map(|last| {
        Edn::map([
            ("op", completed(register.operations[last])),
            ("model", model(value)),
        ])
    });
    let operation = register.operations[stuck];
    let contradiction = Edn::map([
        ("op", completed(operation)),
        ("model", inconsistent(operation, value)),
    ]);
    Edn::vector(last.into_iter().chain([contradiction]))
}

fn configs(register: &Register<'_>, endings: &[Ending]) -> Edn {
    Edn::list(endings.iter().take(SHOWN).map(|ending| {
        let last = ending.last.map(|last| completed(register.operations[last]));
        let pending = ending.pending.iter();
        let pending = pending.map(|&place| invoked(register.operations[place]));
        Edn::map([
            ("model", model(&register.state(ending).0)),
            ("last-op", last.into()),
            ("pending", Edn::vector(pending)),
        ])
    }))
}

fn model(value: &Edn) -> Edn {
    let map = Edn::map([("value", value.clone())]);
    Edn::Tagged("knossos.model.CASRegister".to_owned(), Box::new(map))
}

fn inconsistent(operation: &Operation<Op, Answer>, value: &Edn) -> Edn {
    let message = match &operation.op.f {
        Function::Cas(from, to) => format!("can't CAS {value} from {from} to {to}"),
        Function::Read => format!("can't read {} from register {value}", read(operation)),
        Function::Write(_) => "can't write".to_owned(),
    };
    let map = Edn::map([("msg", message.into())]);
    Edn::Tagged("knossos.model.Inconsistent".to_owned(), Box::new(map))
}

/// What a read returned.
fn read(operation: &Operation<Op, Answer>) -> Edn {
    let answer = operation.output();
    answer.map_or(Edn::Nil, |answer| answer.value.clone())
}

fn completed(operation: &Operation<Op, Answer>) -> Edn {
    let Some(at) = operation.completed else {
        return invoked(operation);
    };
    let kind = match operation.outcome {
        Outcome::Ok(_) => OpType::Ok,
        Outcome::Fail => OpType::Fail,
        Outcome::Info => OpType::Info,
    };
    shown(operation, kind, at)
}

fn invoked(operation: &Operation<Op, Answer>) -> Edn {
    shown(operation, OpType::Invoke, operation.invoked)
}

/// An operation on a register: without the key, and with the value that a read returned.
fn shown(operation: &Operation<Op, Answer>, kind: OpType, at: Moment) -> Edn {
    let (f, value) = match &operation.op.f {
        Function::Read => ("read", read(operation)),
        Function::Write(value) => ("write", value.clone()),
        Function::Cas(from, to) => ("cas", Edn::vector([from.clone(), to.clone()])),
    };
    Edn::map([
        ("process", operation.process.into()),
        ("type", Edn::kw(kind.name())),
        ("f", Edn::kw(f)),
        ("value", value),
        ("index", at.index.into()),
        ("time", (at.time.as_nanos() as i64).into()),
    ])
}
