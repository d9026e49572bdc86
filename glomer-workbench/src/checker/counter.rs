//! g-counter and pn-counter: after recovery, every node reads the sum of what was added.

use crate::edn::Edn;
use crate::history::{History, Op, OpType};
use crate::verdict::{Verdict, entry};

/// The acceptable sums are kept as ranges, which run together for the small deltas that clients
/// send. Deltas chosen to keep them apart double their number with every indeterminate addition;
/// beyond this many the checker gives up.
const MAX_RANGES: usize = 1_000_000;

/// A final read must be the sum of all acknowledged additions and any of the indeterminate ones.
///
/// # Errors
/// If an addition or a final read is not an integer, or there are too many acceptable sums.
pub(crate) fn check(history: &History) -> Result<Verdict, String> {
    let mut sum = 0_i128;
    let mut indeterminate = Vec::new();
    for (invocation, completion) in history.pairs() {
        if invocation.f != "add" {
            continue;
        }
        match completion.map(|op| op.kind) {
            Some(OpType::Ok) => sum += i128::from(delta(invocation)?),
            Some(OpType::Fail) => {}
            Some(OpType::Info | OpType::Invoke) | None => {
                indeterminate.push(i128::from(delta(invocation)?));
            }
        }
    }
    let mut acceptable = vec![(sum, sum)];
    for delta in indeterminate {
        acceptable = with_or_without(&acceptable, delta);
        if acceptable.len() > MAX_RANGES {
            return Err(format!(
                "the indeterminate additions allow more than {MAX_RANGES} separate ranges of sums"
            ));
        }
    }

    let reads: Vec<&Op> = history
        .0
        .iter()
        .filter(|op| op.is_final && op.kind == OpType::Ok)
        .collect();
    let mut errors = Vec::new();
    for read in &reads {
        let value = sum_read(read)?;
        let at = acceptable.partition_point(|(_, upper)| *upper < value);
        if acceptable.get(at).is_none_or(|(lower, _)| value < *lower) {
            errors.push(entry(read.index));
        }
    }
    let valid = errors.is_empty();
    let acceptable = acceptable
        .into_iter()
        .map(|(lower, upper)| Edn::vector([number(lower), number(upper)]));
    Ok(Verdict::new(valid)
        .figure("errors", if valid { Edn::Nil } else { Edn::List(errors) })
        .figure(
            "final-reads",
            Edn::list(reads.iter().map(|op| op.value.clone())),
        )
        .figure("acceptable", Edn::list(acceptable)))
}

fn delta(op: &Op) -> Result<i64, String> {
    op.value.as_int().ok_or_else(|| not_an_integer(op))
}

/// The value of a read, which a node may have let overflow beyond 64 bits.
fn sum_read(op: &Op) -> Result<i128, String> {
    match &op.value {
        Edn::Int(value) => Ok((*value).into()),
        Edn::BigInt(digits) => digits.parse().map_err(|_| not_an_integer(op)),
        _ => Err(not_an_integer(op)),
    }
}

fn not_an_integer(op: &Op) -> String {
    format!(
        "{} is not an integer to count with, in {}",
        op.value,
        op.to_edn()
    )
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
