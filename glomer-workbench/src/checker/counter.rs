//! Counters: what is read in the end is the sum of what was added.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::typed::{History, Moment, Operation, Outcome};
use crate::verdict::{Reason, Verdict, entry, listed};

/// The acceptable sums are kept as ranges, which run together for the small deltas that clients
/// send. Deltas chosen to keep them apart double their number with every indeterminate addition;
/// beyond this many the checker gives up.
const MAX_RANGES: usize = 1_000_000;

/// Of so many nodes at most it is told whose additions a read lacks.
const MAX_NODES: usize = 12;
/// So many additions at most are named.
const MAX_NAMED: usize = 3;

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
    let mut added: Vec<(&Operation<Op, Output>, i128)> = Vec::new();
    for operation in history {
        match what(operation) {
            Some(CounterOp::Add(delta)) => match operation.outcome {
                Outcome::Ok(_) => {
                    sum += i128::from(delta);
                    added.push((operation, delta.into()));
                }
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
    let wrong = reads.iter().filter(|(_, sum)| !is_acceptable(*sum));
    let wrong: Vec<(Moment, i128)> = wrong.copied().collect();
    let valid = wrong.is_empty();
    let reason = wrong
        .first()
        .and_then(|read| why(history, *read, &acceptable, &added))
        .map(|reason| reason.and_others(wrong.len() - 1, "read"));
    let errors: Vec<Edn> = wrong.iter().map(|(read, _)| entry(read.index)).collect();
    let acceptable = acceptable
        .iter()
        .map(|(lower, upper)| Edn::vector([number(*lower), number(*upper)]));
    let verdict = Verdict::new(valid)
        .figure("errors", if valid { Edn::Nil } else { Edn::List(errors) })
        .figure(
            "final-reads",
            Edn::list(reads.iter().map(|(_, sum)| number(*sum))),
        )
        .figure("acceptable", Edn::list(acceptable));
    reason.into_iter().fold(verdict, Verdict::because)
}

/// Why a read is wrong: by how much, and which additions come to that much.
fn why<Op, Output>(
    history: &History<Op, Output>,
    (at, read): (Moment, i128),
    acceptable: &[(i128, i128)],
    added: &[Addition<'_, Op, Output>],
) -> Option<Reason> {
    let reader = history.iter().find(|it| it.completed == Some(at))?;
    let (who, index) = (history.who(reader.process), reader.invoked.index);
    let ends = acceptable
        .iter()
        .flat_map(|(lower, upper)| [*lower, *upper]);
    let nearest = ends.min_by_key(|end| (end - read).abs())?;
    let (by, way) = (
        (nearest - read).abs(),
        if read < nearest { "low" } else { "high" },
    );
    let sum: i128 = added.iter().map(|(_, delta)| delta).sum();
    let mut right = format!("{}, and come to {sum}", acknowledged(added.len()));
    if let ([(lowest, _), ..], [.., (_, highest)]) = (acceptable, acceptable)
        && lowest < highest
    {
        right += &format!(
            "; as nobody knows of some others whether they took effect, {lowest} to {highest} \
             are right"
        );
    }
    let reason = Reason::new(format!("the sum of {who} is {by} too {way}"))
        .because(
            format!("{who} answered {read} at {at} (operation {index})."),
            [index],
        )
        .because(format!("{right}."), []);
    let missing = come_to(history, nearest - read, added, |it| {
        history.node(it.process) != history.node(reader.process)
    });
    if let Some((which, operations)) = missing {
        let text = format!("{} is what {which}.", nearest - read);
        return Some(reason.because(text, operations));
    }
    let twice = come_to(history, read - nearest, added, |_| true);
    Some(match twice {
        Some((which, operations)) => {
            let text = format!(
                "{} is what {which}, as if it had counted twice.",
                read - nearest
            );
            reason.because(text, operations)
        }
        None => reason,
    })
}

type Addition<'h, Op, Output> = (&'h Operation<Op, Output>, i128);

/// The additions, of those that this may be about, that come to so much: all of them, or each of
/// a few, or all of the fewest nodes.
fn come_to<Op, Output>(
    history: &History<Op, Output>,
    wanted: i128,
    added: &[Addition<'_, Op, Output>],
    may_be: impl Fn(&Operation<Op, Output>) -> bool,
) -> Option<(String, Vec<usize>)> {
    let added = || added.iter().filter(|(operation, _)| may_be(operation));
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (operation, delta) in added() {
        if let Some(node) = history.node(operation.process) {
            *sums.entry(node).or_default() += delta;
        }
    }
    let all: Vec<&str> = sums.keys().copied().collect();
    let of_nodes = |nodes: &[&str]| {
        let text = format!("all additions of {} come to", listed(nodes));
        Some((text, Vec::new()))
    };
    if !all.is_empty() && sums.values().sum::<i128>() == wanted {
        return of_nodes(&all);
    }
    let same: Vec<_> = added().filter(|(_, delta)| *delta == wanted).collect();
    if (1..=MAX_NAMED).contains(&same.len()) {
        let named = same.iter().map(|(operation, _)| {
            let (who, index) = (history.who(operation.process), operation.invoked.index);
            format!("{who} at {} (operation {index})", operation.invoked)
        });
        let named: Vec<String> = named.collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let which = if same.len() == 1 {
            "the one addition of"
        } else {
            "each of the additions of"
        };
        let text = format!("{which} {wanted} came to, by {}", listed(&named));
        let operations = same.iter().map(|(operation, _)| operation.invoked.index);
        return Some((text, operations.collect()));
    }
    let sums: Vec<(&str, i128)> = sums.into_iter().collect();
    let chosen = |subset: u32| {
        let sums = sums.iter().enumerate();
        sums.filter(move |(place, _)| subset >> place & 1 == 1)
            .map(|(_, node)| *node)
    };
    let found = (1_u32..1 << sums.len().min(MAX_NODES))
        .filter(|subset| chosen(*subset).map(|(_, sum)| sum).sum::<i128>() == wanted)
        .min_by_key(|subset| subset.count_ones())?;
    let nodes: Vec<&str> = chosen(found).map(|(node, _)| node).collect();
    of_nodes(&nodes)
}

fn acknowledged(additions: usize) -> String {
    match additions {
        1 => "1 addition was acknowledged".to_owned(),
        count => format!("{count} additions were acknowledged"),
    }
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
