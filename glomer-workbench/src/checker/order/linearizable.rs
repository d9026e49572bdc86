//! Linearizability: each operation took effect at one moment between its invocation and its
//! completion.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::typed::{History, Outcome};
use crate::verdict::{Reason, Validity, Verdict, merge_validity};

use super::search::{Call, Ending, Found, MAX_HELD, search};
use super::space::Space;
use super::why::explain;
use super::{Model, Operations};

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
    let objects = search_each(history, model);
    let failed = objects.iter().filter(|it| it.validity() == Validity::False);
    let failures = failed.map(|object| format!("{:?}", object.key));
    let verdict = Verdict::new(merge_validity(objects.iter().map(Searched::validity)))
        .figure("object-count", objects.len())
        .figure("failures", Edn::list(failures));
    let reasons = objects.iter().filter_map(|object| object.reason(history));
    reasons.fold(verdict, Verdict::because)
}

/// An object, what was done with it, and what came of the search for an order.
pub(crate) struct Searched<'h, M: Model> {
    pub(crate) key: M::Key,
    /// What took effect, for certain or perhaps, in the order of invocations. What was found
    /// names operations by their places here.
    pub(crate) operations: Operations<'h, M>,
    pub(crate) found: Found,
    model: &'h M,
    space: Space<'h, M>,
}

/// Looks for an order of what was done with each object.
pub(crate) fn search_each<'h, M: Model>(
    history: &'h History<M::Op, M::Output>,
    model: &'h M,
) -> Vec<Searched<'h, M>> {
    let mut objects: BTreeMap<M::Key, Operations<'h, M>> = BTreeMap::new();
    for operation in history {
        let operations = objects.entry(model.key(&operation.op)).or_default();
        if operation.outcome != Outcome::Fail {
            operations.push(operation);
        }
    }
    let searched = objects.into_iter().map(|(key, operations)| {
        let mut space = Space::new(model, model.initial(&key));
        let calls: Vec<Call> = operations
            .iter()
            .map(|operation| Call {
                action: space.action(&operation.op, operation.output()),
                invoked: operation.invoked.index,
                returned: operation
                    .output()
                    .and(operation.completed)
                    .map(|completed| completed.index),
            })
            .collect();
        let mut steps = MAX_STEPS;
        Searched {
            found: search(&mut space, &calls, &mut steps),
            key,
            operations,
            model,
            space,
        }
    });
    searched.collect()
}

impl<M: Model> Searched<'_, M> {
    /// Whether there is an order.
    pub(crate) fn validity(&self) -> Validity {
        match self.found {
            Found::Order(_) => Validity::True,
            Found::Stuck { .. } => Validity::False,
            Found::TooMany { .. } => Validity::Unknown,
        }
    }

    /// Why there is none, or why nobody knows.
    pub(crate) fn reason(&self, history: &History<M::Op, M::Output>) -> Option<Reason> {
        match &self.found {
            Found::Order(_) => None,
            Found::Stuck { call, before, room } => {
                let states = before.iter().map(|ending| self.state(ending));
                let node = |process| history.node(process);
                let (model, operations) = (self.model, &self.operations);
                Some(explain(model, operations, *call, *room, states, node))
            }
            Found::TooMany { call } => {
                let operation = self.operations[*call];
                let words = self.model.words(&operation.op, operation.output());
                let index = operation.invoked.index;
                let reason = Reason::new(format!("there are too many orders to try at {words}"));
                let text = format!(
                    "Up to operation {index}, there are more than {MAX_HELD} at once, or more \
                     than {MAX_STEPS} steps to find one."
                );
                Some(reason.because(text, [index]))
            }
        }
    }

    /// The state of the object at an end.
    pub(crate) fn state(&self, ending: &Ending) -> &M::State {
        self.space.state(ending.state)
    }
}
