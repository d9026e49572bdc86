//! Counters: what is read in the end is the sum of what was added.

use crate::edn::Edn;
use crate::history::typed::{History, Moment, Operation, Outcome};
use crate::verdict::{Verdict, entry};

/// The acceptable sums are kept as ranges, which run together for the small deltas that clients
/// send. Deltas chosen to keep them apart double their number with every indeterminate addition;
/// beyond this many the checker gives up.
const MAX_RANGES: usize = 1_000_000;

/// What an operation is to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterOp {
    /// It adds this, or takes something away if it is negative.
    Add(i64),
    /// It took effect, and this sum came back, which should be exact.
    Read(i128),
}

/// Whether the reads are right: each must be the sum of all acknowledged additions and any of
/// those of which nobody knows whether they took effect.
///
/// `what` says what each operation is to the counter. Since additions count whenever they began,
/// only reads belong there that come after all of them, such as those of the final phase. Of
/// earlier ones, and of operations that have nothing to do with the counter, it is `None`.
///
/// The figures are the sums that were read (`final-reads`), the ranges in which they may lie
/// (`acceptable`), and the reads that are wrong (`errors`). The verdict is unknown if additions of
/// which nobody knows leave more than a million separate ranges.
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::{CounterOp, counter};
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// enum Op {
///     Deposit(i64),
///     Balance,
/// }
///
/// let ms = Duration::from_millis;
/// let history = |balance| -> History<Op, i64> {
///     [
///         Operation::new(0, Op::Deposit(5), ms(0)).ended(ms(10), Outcome::Ok(0)),
///         Operation::new(1, Op::Deposit(100), ms(0)).ended(ms(10), Outcome::Info),
///         Operation::new(0, Op::Balance, ms(20)).ended(ms(30), Outcome::Ok(balance)),
///     ]
///     .into_iter()
///     .collect()
/// };
/// let validity = |history: History<Op, i64>| {
///     let verdict = counter(&history, |operation| match operation.op {
///         Op::Deposit(amount) => Some(CounterOp::Add(amount)),
///         Op::Balance => Some(CounterOp::Read((*operation.output()?).into())),
///     });
///     verdict.validity()
/// };
/// assert_eq!(validity(history(5)), Validity::True);
/// assert_eq!(validity(history(105)), Validity::True);
/// assert_eq!(validity(history(100)), Validity::False);
/// ```
pub fn counter<Op, Output>(
    history: &History<Op, Output>,
    what: impl Fn(&Operation<Op, Output>) -> Option<CounterOp>,
) -> Verdict {
    let mut sum = 0_i128;
    let mut indeterminate = Vec::new();
    let mut reads: Vec<(Moment, i128)> = Vec::new();
    for operation in history {
        match what(operation) {
            Some(CounterOp::Add(delta)) => match operation.outcome {
                Outcome::Ok(_) => sum += i128::from(delta),
                Outcome::Fail => {}
                Outcome::Info => indeterminate.push(i128::from(delta)),
            },
            Some(CounterOp::Read(sum)) => {
                reads.extend(operation.completed.map(|completed| (completed, sum)));
            }
            None => {}
        }
    }
    reads.sort_unstable();
    let mut acceptable = vec![(sum, sum)];
    for delta in indeterminate {
        acceptable = with_or_without(&acceptable, delta);
        if acceptable.len() > MAX_RANGES {
            return Verdict::unknown(format!(
                "the indeterminate additions allow more than {MAX_RANGES} separate ranges of sums"
            ));
        }
    }

    let is_acceptable = |sum: i128| {
        let at = acceptable.partition_point(|(_, upper)| *upper < sum);
        acceptable.get(at).is_some_and(|(lower, _)| *lower <= sum)
    };
    let errors = reads.iter().filter(|(_, sum)| !is_acceptable(*sum));
    let errors: Vec<Edn> = errors.map(|(read, _)| entry(read.index)).collect();
    let valid = errors.is_empty();
    let acceptable = acceptable
        .iter()
        .map(|(lower, upper)| Edn::vector([number(*lower), number(*upper)]));
    Verdict::new(valid)
        .figure("errors", if valid { Edn::Nil } else { Edn::List(errors) })
        .figure(
            "final-reads",
            Edn::list(reads.iter().map(|(_, sum)| number(*sum))),
        )
        .figure("acceptable", Edn::list(acceptable))
}

fn number(value: i128) -> Edn {
    i64::try_from(value).map_or_else(|_| Edn::BigInt(value.to_string()), Edn::Int)
}

/// The sums within `ranges`, which are in order and apart, and the same plus `delta`.
fn with_or_without(ranges: &[(i128, i128)], delta: i128) -> Vec<(i128, i128)> {
    let shifted = ranges
        .iter()
        .map(|(lower, upper)| (lower + delta, upper + delta));
    let mut all: Vec<(i128, i128)> = ranges.iter().copied().chain(shifted).collect();
    all.sort_unstable();
    let mut merged: Vec<(i128, i128)> = Vec::with_capacity(all.len());
    for (lower, upper) in all {
        match merged.last_mut() {
            Some(last) if lower <= last.1 + 1 => last.1 = last.1.max(upper),
            _ => merged.push((lower, upper)),
        }
    }
    merged
}

/// What the figures mean.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    (name == "acceptable").then_some(
        "the ranges in which a final read may lie, after all that was added for certain or perhaps",
    )
}
