//! Linearizability: each operation took effect at one moment between its invocation and its
//! completion.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::typed::{History, Outcome};
use crate::verdict::{Reason, Validity, Verdict, merge_validity};

use super::Model;
use super::search::{Call, Ending, Found, MAX_HELD, search};
use super::space::Space;
use super::why::explain;

/// So many steps are tried with one object before the search gives up.
const MAX_STEPS: usize = 20_000_000;

/// Whether the history is linearizable: whether every operation can have taken effect at one
/// moment between its invocation and its completion, so that each returned what the model says.
///
/// An operation that failed did not take effect. One of which nobody knows whether it did may
/// have done so at any time after its invocation, or never.
///
/// Each object is checked for itself ([`Model::key`]). The figures are the number of objects
/// (`object-count`) and those that are not linearizable (`failures`). For each of these there is a
/// reason: the operation that fits no order, the one since whose end this is so, and the one that
/// had last made it possible.
///
/// Linearizability is hard to decide, and there are limits: so many operations may be under way
/// at once, or without an outcome, that their orders are too many to try. The verdict is unknown
/// then, and its reasons say at which operation. What a model says of the
/// [`Effect`](super::Effect) of its operations makes this rarer.
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::{Model, linearizable};
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// #[derive(Debug, PartialEq, Eq, Hash)]
/// enum Op {
///     Read,
///     Write(u64),
/// }
///
/// struct Register;
///
/// impl Model for Register {
///     type Op = Op;
///     type Output = u64;
///     type State = u64;
///     type Key = ();
///
///     fn key(&self, _: &Op) {}
///
///     fn initial(&self, (): &()) -> u64 {
///         0
///     }
///
///     fn step(&self, value: &u64, op: &Op, output: Option<&u64>) -> Option<u64> {
///         match op {
///             Op::Read => output.is_none_or(|read| read == value).then_some(*value),
///             Op::Write(new) => Some(*new),
///         }
///     }
///
///     fn words(&self, op: &Op, output: Option<&u64>) -> String {
///         match (op, output) {
///             (Op::Read, Some(value)) => format!("read {value}"),
///             (Op::Read, None) => "read".to_owned(),
///             (Op::Write(value), _) => format!("write {value}"),
///         }
///     }
/// }
///
/// let ms = Duration::from_millis;
/// let history: History<Op, u64> = [
///     Operation::new(0, Op::Write(1), ms(0)).ended(ms(10), Outcome::Ok(1)),
///     Operation::new(1, Op::Write(2), ms(20)).ended(ms(30), Outcome::Ok(2)),
///     Operation::new(2, Op::Read, ms(40)).ended(ms(50), Outcome::Ok(1)),
/// ]
/// .into_iter()
/// .collect();
///
/// let verdict = linearizable(&history, &Register);
/// assert_eq!(verdict.validity(), Validity::False);
/// assert_eq!(
///     verdict.reasons()[0].to_string(),
///     "read 1 fits no order.
///   It ended at 0.050 s (operation 4), though write 2 had ended at 0.030 s (operation 2) and \
///      nothing since makes it possible.
///   The last that did was write 1 at 0.010 s (operation 0).
///   Every order of what came before leaves 2."
/// );
/// assert_eq!(verdict.reasons()[0].operations(), [4, 2, 0]);
/// ```
pub fn linearizable<M: Model>(history: &History<M::Op, M::Output>, model: &M) -> Verdict {
    let mut objects: BTreeMap<M::Key, (Object<'_, M>, Vec<_>)> = BTreeMap::new();
    for operation in history {
        let returned = match operation.outcome {
            Outcome::Ok(_) => operation.completed.map(|completed| completed.index),
            Outcome::Fail => continue,
            Outcome::Info => None,
        };
        let (object, operations) = objects
            .entry(model.key(&operation.op))
            .or_insert_with_key(|key| (Object::new(model, key), Vec::new()));
        object.add(
            &operation.op,
            operation.output(),
            operation.invoked.index,
            returned,
        );
        operations.push(operation);
    }

    let count = objects.len();
    let mut validities = Vec::new();
    let mut failures = Vec::new();
    let mut reasons = Vec::new();
    for (key, (mut object, operations)) in objects {
        let (validity, reason) = match object.find_order() {
            Found::Order(_) => (Validity::True, None),
            Found::Stuck { call, before, room } => {
                failures.push(format!("{key:?}"));
                let states = before.iter().map(|ending| object.state(ending));
                let reason = explain(model, &operations, call, room, states);
                (Validity::False, Some(reason))
            }
            Found::TooMany { call } => {
                let operation = operations[call];
                let words = model.words(&operation.op, operation.output());
                let index = operation.invoked.index;
                let reason = Reason::new(format!("there are too many orders to try at {words}"));
                let text = format!(
                    "Up to operation {index}, there are more than {MAX_HELD} at once, or more \
                     than {MAX_STEPS} steps to find one."
                );
                (Validity::Unknown, Some(reason.because(text, [index])))
            }
        };
        validities.push(validity);
        reasons.extend(reason);
    }
    let verdict = Verdict::new(merge_validity(validities))
        .figure("object-count", count)
        .figure("failures", Edn::list(failures));
    reasons.into_iter().fold(verdict, Verdict::because)
}

/// One object, and what was done with it. Operations are named by the order they were added in.
pub(in crate::checker) struct Object<'a, M: Model> {
    space: Space<'a, M>,
    calls: Vec<Call>,
}

impl<'a, M: Model> Object<'a, M> {
    pub(in crate::checker) fn new(model: &'a M, key: &M::Key) -> Self {
        Self {
            space: Space::new(model, model.initial(key)),
            calls: Vec::new(),
        }
    }

    /// Adds an operation, in the order of invocations, with its places in the history. Without
    /// `returned` nobody knows whether it took effect.
    pub(in crate::checker) fn add(
        &mut self,
        op: &'a M::Op,
        output: Option<&'a M::Output>,
        invoked: usize,
        returned: Option<usize>,
    ) {
        self.calls.push(Call {
            action: self.space.action(op, output),
            invoked,
            returned,
        });
    }

    pub(in crate::checker) fn find_order(&mut self) -> Found {
        let mut steps = MAX_STEPS;
        search(&mut self.space, &self.calls, &mut steps)
    }

    pub(in crate::checker) fn state(&self, ending: &Ending) -> &M::State {
        self.space.state(ending.state)
    }
}
