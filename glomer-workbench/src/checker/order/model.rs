//! What a linearizable object is, said by a sequential model of it.

use std::fmt::Debug;
use std::hash::Hash;

/// An object as it would be if operations were done one after the other: what a history is held
/// against by [`linearizable`](super::linearizable) and
/// [`sequentially_consistent`](super::sequentially_consistent).
///
/// A lock, of which a lock server has many:
///
/// ```
/// use glomer_workbench::checker::Model;
///
/// #[derive(Clone, Debug, PartialEq, Eq, Hash)]
/// enum Op {
///     Acquire { lock: u64 },
///     Release { lock: u64 },
/// }
///
/// struct Locks;
///
/// impl Model for Locks {
///     type Op = Op;
///     type Output = bool;                      // whether it was acquired, or released
///     type State = bool;                       // whether it is held
///     type Key = u64;
///
///     fn key(&self, op: &Op) -> u64 {
///         match *op {
///             Op::Acquire { lock } | Op::Release { lock } => lock,
///         }
///     }
///
///     fn initial(&self, _lock: &u64) -> bool {
///         false
///     }
///
///     fn step(&self, held: &bool, op: &Op, output: Option<&bool>) -> Option<bool> {
///         let (succeeds, after) = match op {
///             Op::Acquire { .. } => (!held, true),
///             Op::Release { .. } => (*held, false),
///         };
///         output.is_none_or(|output| *output == succeeds).then_some(after)
///     }
/// }
///
/// let acquire = Op::Acquire { lock: 1 };
/// assert_eq!(Locks.step(&false, &acquire, Some(&true)), Some(true));
/// assert_eq!(Locks.step(&true, &acquire, Some(&true)), None, "it is held already");
/// ```
pub trait Model {
    /// What clients ask for.
    type Op: Debug + Eq + Hash;

    /// What comes back.
    type Output: Debug + Eq + Hash;

    /// All that the object remembers.
    type State: Debug + Eq + Hash;

    /// What names an object among several that know nothing of each other; `()` if there is one.
    type Key: Clone + Debug + Ord;

    /// The object that an operation is about. Each is checked for itself, which is as good (an
    /// execution is linearizable if it is so object by object) and far quicker.
    fn key(&self, op: &Self::Op) -> Self::Key;

    /// The state of an object before the first operation.
    fn initial(&self, key: &Self::Key) -> Self::State;

    /// The state after an operation, or `None` if it cannot be done in this state with this
    /// output. Without an output nobody knows what came back: the state is the one that the
    /// operation leads to if it takes effect.
    fn step(
        &self,
        state: &Self::State,
        op: &Self::Op,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// What the search may rely on to be quicker: see [`Effect`].
    fn effect(&self, op: &Self::Op, output: Option<&Self::Output>) -> Effect {
        let _ = (op, output);
        Effect::Any
    }

    /// An operation in words, such as `read 1` or `write 2`, for the reasons of a verdict.
    fn words(&self, op: &Self::Op, output: Option<&Self::Output>) -> String {
        match output {
            Some(output) => format!("{op:?} → {output:?}"),
            None => format!("{op:?}"),
        }
    }
}

/// What an operation with its output does to a state. Verdicts are the same with and without it;
/// with it, the search has fewer orders to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing, wherever it can be done.
    Reads,
    /// It can be done in every state, and the state after it is always the same.
    Writes,
    /// Anything else. This is always right.
    Any,
}
