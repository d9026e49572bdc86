//! Sets: what was added shows up in reads, and stays.
//!
//! This is Jepsen's `set-full` checker without `:linearizable?`.
//!
//! Jepsen means to reject reads that return an element more than once, but its test of the
//! multiplicity is turned around and never fires. The verdict here is the one Maelstrom gives;
//! `:duplicated` shows the elements that were returned several times, each with the most times
//! any read returned it, where Maelstrom always prints an empty map, and a warning tells of them.
//!
//! The time and memory this takes grow with the total size of the reads, not with elements times
//! reads: what a read does *not* return is only looked at while it can still be the last such
//! read of an element.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::edn::Edn;
use crate::history::Excerpt;
use crate::history::typed::{History, Moment, Operation};
use crate::verdict::{Carried, Reason, Validity, Verdict, entry, entry_as};

/// How many of the stalest elements the results show.
const WORST_SHOWN: usize = 8;
const QUANTILES: [f64; 5] = [0.0, 0.5, 0.95, 0.99, 1.0];
const NS_PER_MS: i64 = 1_000_000;

/// What an operation is to a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOp<'h, Element> {
    /// It adds this element.
    Add(&'h Element),
    /// It took effect, and these elements came back. More than one of the same is a warning.
    Read(Vec<&'h Element>),
}

/// Whether every element that was added stays, which is Jepsen's `set-full`: the history is
/// invalid if an element is lost, and unknown if none can be said to be there.
///
/// `what` says what each operation is to the set; of a read without an answer, and of operations
/// that have nothing to do with it, that is `None`.
///
/// An element is *known* once its addition was acknowledged or a read returned it. It is *stable*
/// if a read that returns it began after the last one that does not. It is *lost* if a read that
/// does not return it began after it was known, and after all that do. Otherwise it was *never
/// read*, and nothing is said about it. A stable element is *stale* if a read began at least a
/// millisecond after it was known and still did not return it.
///
/// The figures are those of Jepsen, such as `lost` and `stable-latencies`: in milliseconds from
/// when an element was known until every read had it, by quantile. An addition is shown as `:add`
/// there, whatever the workload calls it.
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::{SetOp, set_full};
/// use glomer_workbench::edn::Edn;
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// enum Op {
///     Insert(u64),
///     All,
/// }
///
/// let ms = Duration::from_millis;
/// let history: History<Op, Vec<u64>> = [
///     Operation::new(0, Op::Insert(7), ms(0)).ended(ms(10), Outcome::Ok(vec![])),
///     Operation::new(1, Op::Insert(8), ms(0)).ended(ms(10), Outcome::Info),
///     Operation::new(0, Op::All, ms(20)).ended(ms(30), Outcome::Ok(vec![8])),
/// ]
/// .into_iter()
/// .collect();
///
/// let verdict = set_full(&history, |operation| match &operation.op {
///     Op::Insert(element) => Some(SetOp::Add(element)),
///     Op::All => Some(SetOp::Read(operation.output()?.iter().collect())),
/// });
/// assert_eq!(verdict.validity(), Validity::False);
/// assert_eq!(verdict.get("lost"), Some(&Edn::list([7])));
/// assert_eq!(verdict.get("stable-count"), Some(&Edn::Int(1)));
/// ```
pub fn set_full<'h, Op, Output, Element>(
    history: &'h History<Op, Output>,
    what: impl Fn(&'h Operation<Op, Output>) -> Option<SetOp<'h, Element>>,
) -> Verdict
where
    Element: Clone + Eq + Hash + Into<Edn> + Ord + 'h,
{
    let (mut elements, ends) = operations(history, what);
    let mut duplicated = BTreeMap::new();
    let mut reads = observe(ends, &mut elements, &mut duplicated);
    reads.sort_by_key(|read| std::cmp::Reverse(read.invoked));
    find_last_reads(&mut elements, &reads);
    elements.sort_by_key(|element| element.value);
    let verdict = reasons(history, &elements)
        .into_iter()
        .fold(results(&elements, &duplicated), Verdict::because);
    let first = duplicated.first_key_value();
    let warning = first.map(|(element, times)| {
        format!(
            "reads returned {} elements more than once, such as {}, {times} times in one \
             read: a set has each of its elements once; Maelstrom does not mind",
            duplicated.len(),
            Excerpt(&edn(*element))
        )
    });
    warning.into_iter().fold(verdict, Verdict::warn)
}

fn edn(element: &(impl Clone + Into<Edn>)) -> Edn {
    element.clone().into()
}

/// An element that a client tried to add.
struct Element<'h, E> {
    value: &'h E,
    /// When the last attempt to add it began. What happened before says nothing about it.
    added: Moment,
    known: Option<Known>,
    /// When the last read began that returns it.
    last_present: Option<Moment>,
    /// When the last read began that does not.
    last_absent: Option<Moment>,
}

/// From when on an element is known.
#[derive(Clone, Copy)]
struct Known {
    at: Moment,
    by_a_read: bool,
}

struct Read {
    invoked: Moment,
    completed: Moment,
    /// The elements it returned, as places in the list of elements.
    returned: Vec<usize>,
}

/// The end of an operation that took effect.
enum End<'h, E> {
    Added(Moment, &'h E),
    Read {
        invoked: Moment,
        completed: Moment,
        returned: Vec<&'h E>,
    },
}

impl<E> End<'_, E> {
    fn at(&self) -> Moment {
        match self {
            End::Added(at, _) | End::Read { completed: at, .. } => *at,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Stable { latency: i64 },
    Lost { latency: i64 },
    NeverRead,
}

/// The elements in the order in which they were last added, and what took effect in the order in
/// which it ended.
fn operations<'h, Op, Output, E: Eq + Hash>(
    history: &'h History<Op, Output>,
    what: impl Fn(&'h Operation<Op, Output>) -> Option<SetOp<'h, E>>,
) -> (Vec<Element<'h, E>>, Vec<End<'h, E>>) {
    let mut last_attempts: HashMap<&E, Moment> = HashMap::new();
    let mut ends = Vec::new();
    for operation in history {
        let completed = operation.output().and(operation.completed);
        match (what(operation), completed) {
            (Some(SetOp::Add(element)), completed) => {
                last_attempts.insert(element, operation.invoked);
                ends.extend(completed.map(|at| End::Added(at, element)));
            }
            (Some(SetOp::Read(returned)), Some(completed)) => ends.push(End::Read {
                invoked: operation.invoked,
                completed,
                returned,
            }),
            (Some(SetOp::Read(_)) | None, _) => {}
        }
    }
    let elements = last_attempts.into_iter();
    let mut elements: Vec<Element<'_, E>> = elements
        .map(|(value, added)| Element {
            value,
            added,
            known: None,
            last_present: None,
            last_absent: None,
        })
        .collect();
    elements.sort_unstable_by_key(|element| element.added);
    ends.sort_unstable_by_key(End::at);
    (elements, ends)
}

/// Learns when each element became known, and collects the reads and what they returned more than
/// once.
fn observe<'h, E: Eq + Hash + Ord>(
    ends: Vec<End<'h, E>>,
    elements: &mut [Element<'h, E>],
    duplicated: &mut BTreeMap<&'h E, usize>,
) -> Vec<Read> {
    let places: HashMap<&E, usize> = elements
        .iter()
        .enumerate()
        .map(|(place, element)| (element.value, place))
        .collect();
    let mut times_returned = vec![0_usize; elements.len()];
    let mut reads = Vec::new();
    for end in ends {
        let at = end.at();
        match end {
            End::Added(_, value) => {
                if let Some(&element) = places.get(value)
                    && elements[element].added < at
                {
                    let by_a_read = false;
                    elements[element]
                        .known
                        .get_or_insert(Known { at, by_a_read });
                }
            }
            End::Read {
                invoked, returned, ..
            } => {
                let returned = returned.into_iter().filter_map(|value| places.get(value));
                let mut returned: Vec<usize> = returned.copied().collect();
                for &element in &returned {
                    times_returned[element] += 1;
                }
                for &element in &returned {
                    let times = std::mem::take(&mut times_returned[element]);
                    if times > 1 {
                        let most = duplicated.entry(elements[element].value).or_default();
                        *most = times.max(*most);
                    }
                }
                returned.retain(|&element| elements[element].added < at);
                for &element in &returned {
                    let by_a_read = true;
                    elements[element]
                        .known
                        .get_or_insert(Known { at, by_a_read });
                }
                reads.push(Read {
                    invoked,
                    completed: at,
                    returned,
                });
            }
        }
    }
    reads
}

/// Finds each element's last read that returns it and last read that does not, from the reads in
/// the order they began, last first.
///
/// `open` are the elements that every read so far returned, linked in the order they were added.
/// A read looks at those that were added before it completed: either it returned the element,
/// or it settles it, so the work is bounded by what the reads returned.
fn find_last_reads<E>(elements: &mut [Element<'_, E>], reads: &[Read]) {
    const END: usize = usize::MAX;
    // The element after each, and at the end the first one.
    let first = elements.len();
    let mut next: Vec<usize> = (1..=elements.len()).collect();
    if let Some(last) = next.last_mut() {
        *last = END;
    }
    next.push(if elements.is_empty() { END } else { 0 });
    let mut returned_by = vec![END; elements.len()];
    for (number, read) in reads.iter().enumerate() {
        for &element in &read.returned {
            returned_by[element] = number;
            elements[element].last_present.get_or_insert(read.invoked);
        }
        let mut before = first;
        while next[before] != END && elements[next[before]].added < read.completed {
            let open = next[before];
            if returned_by[open] == number {
                before = open;
            } else {
                elements[open].last_absent = Some(read.invoked);
                next[before] = next[open];
            }
        }
    }
}

impl<E> Element<'_, E> {
    fn durability(&self) -> Durability {
        let nanoseconds = |moment: Moment| moment.time.as_nanos() as i64;
        let known = self.known.map(|known| known.at);
        let known_at = known.map_or(0, nanoseconds);
        // The moment after a read began, as milliseconds after the element was known.
        let latency = |read: Option<Moment>| {
            let moment = read.map_or(0, |read| nanoseconds(read) + 1);
            (moment - known_at).max(0) / NS_PER_MS
        };
        if self.last_present > self.last_absent {
            Durability::Stable {
                latency: latency(self.last_absent),
            }
        } else if self.last_absent.is_some() && known.is_some() && known < self.last_absent {
            Durability::Lost {
                latency: latency(self.last_present),
            }
        } else {
            Durability::NeverRead
        }
    }
}

fn results<E: Clone + Into<Edn>>(
    elements: &[Element<'_, E>],
    duplicated: &BTreeMap<&E, usize>,
) -> Verdict {
    let outcomes: Vec<(&Element<'_, E>, Durability)> = elements
        .iter()
        .map(|element| (element, element.durability()))
        .collect();
    let select = |wanted: fn(Durability) -> bool| -> Vec<Edn> {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted(*outcome))
            .map(|(element, _)| edn(element.value))
            .collect()
    };
    let stable_count = select(|outcome| matches!(outcome, Durability::Stable { .. })).len();
    let stale = select(|outcome| matches!(outcome, Durability::Stable { latency: 1.. }));
    let lost = select(|outcome| matches!(outcome, Durability::Lost { .. }));
    let never_read = select(|outcome| outcome == Durability::NeverRead);
    let mut stable_latencies: Vec<i64> = Vec::new();
    let mut lost_latencies: Vec<i64> = Vec::new();
    for (_, outcome) in &outcomes {
        match outcome {
            Durability::Stable { latency } => stable_latencies.push(*latency),
            Durability::Lost { latency } => lost_latencies.push(*latency),
            Durability::NeverRead => {}
        }
    }
    let valid = if !lost.is_empty() {
        Validity::False
    } else if stable_count == 0 {
        Validity::Unknown
    } else {
        Validity::True
    };
    let mut verdict = Verdict::new(valid)
        .figure_before("worst-stale", worst_stale(&outcomes))
        .figure_before("duplicated-count", duplicated.len())
        .figure("lost-count", lost.len())
        .figure("lost", Edn::List(lost))
        .figure("stable-count", stable_count)
        .figure("stale-count", stale.len())
        .figure("stale", Edn::List(stale))
        .figure("never-read-count", never_read.len());
    if let Some(quantiles) = quantiles(stable_latencies) {
        verdict = verdict.figure("stable-latencies", quantiles);
    }
    verdict = verdict.figure("attempt-count", elements.len());
    if let Some(quantiles) = quantiles(lost_latencies) {
        verdict = verdict.figure("lost-latencies", quantiles);
    }
    let duplicated = duplicated
        .iter()
        .map(|(element, times)| (edn(*element), (*times).into()));
    verdict
        .figure("never-read", Edn::List(never_read))
        .figure("duplicated", Edn::Map(duplicated.collect()))
}

/// Why it is not valid: the elements that are lost, or that none is ever read.
fn reasons<Op, Output, E: Clone + Into<Edn>>(
    history: &History<Op, Output>,
    elements: &[Element<'_, E>],
) -> Option<Reason> {
    let lost: Vec<(Known, Moment, &Element<'_, E>)> = elements
        .iter()
        .filter(|element| matches!(element.durability(), Durability::Lost { .. }))
        .filter_map(|element| Some((element.known?, element.last_absent?, element)))
        .collect();
    // Of what happened first, most is in the journal.
    let first = lost.iter().min_by_key(|(known, ..)| known.at);
    let Some((known, absent, element)) = first else {
        return never_read(history, elements);
    };
    let value = edn(element.value);
    let shown = Excerpt(&value).to_string();
    let known = ended_at(history, known.at).map(|operation| {
        let (who, index) = (history.who(operation.process), operation.invoked.index);
        let did = if known.by_a_read {
            format!("{who} first returned it")
        } else {
            format!("{who} acknowledged it")
        };
        let never = match element.last_present {
            Some(_) => "",
            None => ", and no read ever returned it",
        };
        let text = format!("{did} at {} (operation {index}){never}.", known.at);
        (text, index)
    });
    let returned = element
        .last_present
        .and_then(|read| Some((read, begun_at(history, read)?)));
    let read = begun_at(history, *absent);
    let mut reason = Reason::new(format!("value {shown} is lost"));
    if let Some((text, index)) = known {
        reason = reason.because(text, [index]);
    }
    if let Some((at, read)) = returned {
        let (who, index) = (history.who(read.process), at.index);
        let text = format!("{who} returned it to the read of {at} (operation {index}).");
        reason = reason.because(text, [index]);
    }
    if let Some(read) = read {
        if let Some(node) = history.node(read.process) {
            reason = reason.carried(Carried {
                value,
                node: node.to_owned(),
                until: absent.time,
            });
        }
        let (who, index) = (history.who(read.process), absent.index);
        let which = if read.is_final { "final read" } else { "read" };
        reason = reason.because(
            format!("The {which} of {absent} by {who} (operation {index}) does not have it."),
            [index],
        );
    }
    Some(reason.and_others(lost.len() - 1, "value"))
}

/// That nothing can be said to be there.
fn never_read<Op, Output, E: Clone + Into<Edn>>(
    history: &History<Op, Output>,
    elements: &[Element<'_, E>],
) -> Option<Reason> {
    let is_stable =
        |element: &Element<'_, E>| matches!(element.durability(), Durability::Stable { .. });
    if elements.iter().any(is_stable) {
        return None;
    }
    let headline = match elements.len() {
        0 => {
            return Some(Reason::new(
                "nothing was added, so there is nothing to go by",
            ));
        }
        1 => "the one value that was added is not in the last reads".to_owned(),
        count => format!("not one of the {count} values that were added is in the last reads"),
    };
    let reason = Reason::new(headline);
    let known = elements
        .iter()
        .filter_map(|element| Some((element.known?.at, element)));
    let Some((known, element)) = known.min_by_key(|(at, _)| *at) else {
        return Some(reason.because("None was acknowledged or returned.", []));
    };
    let Some(operation) = ended_at(history, known) else {
        return Some(reason);
    };
    let index = operation.invoked.index;
    Some(reason.because(
        format!(
            "Value {} was known at {known} (operation {index}), and no read began after that.",
            Excerpt(&edn(element.value))
        ),
        [index],
    ))
}

fn begun_at<Op, Output>(
    history: &History<Op, Output>,
    moment: Moment,
) -> Option<&Operation<Op, Output>> {
    let operations = history.operations();
    let place = operations.binary_search_by_key(&moment, |it| it.invoked);
    place.ok().map(|place| &operations[place])
}

fn ended_at<Op, Output>(
    history: &History<Op, Output>,
    moment: Moment,
) -> Option<&Operation<Op, Output>> {
    history.iter().find(|it| it.completed == Some(moment))
}

fn worst_stale<E: Clone + Into<Edn>>(outcomes: &[(&Element<'_, E>, Durability)]) -> Edn {
    let mut stale: Vec<(i64, &Element<'_, E>)> = outcomes
        .iter()
        .filter_map(|(element, outcome)| match outcome {
            Durability::Stable {
                latency: latency @ 1..,
            } => Some((*latency, *element)),
            _ => None,
        })
        .collect();
    // The longest latency first, and of equal ones the greatest element.
    stale.sort_by_key(|(latency, _)| *latency);
    let known = |known: Known| {
        if known.by_a_read {
            entry(known.at.index)
        } else {
            entry_as(known.at.index, "add")
        }
    };
    let read = |read: Moment| entry(read.index);
    Edn::list(
        stale
            .into_iter()
            .rev()
            .take(WORST_SHOWN)
            .map(|(latency, element)| {
                Edn::map([
                    ("element", edn(element.value)),
                    ("outcome", Edn::kw("stable")),
                    ("stable-latency", latency.into()),
                    ("lost-latency", Edn::Nil),
                    ("known", element.known.map(known).into()),
                    ("last-absent", element.last_absent.map(read).into()),
                ])
            }),
    )
}

/// The latencies at each of [`QUANTILES`], or nothing if there are none.
fn quantiles(mut latencies: Vec<i64>) -> Option<Edn> {
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1)?;
    let entries = QUANTILES.map(|quantile| {
        let place = (latencies.len() as f64 * quantile).floor() as usize;
        let key = if quantile.fract() == 0.0 {
            Edn::Int(quantile as i64)
        } else {
            Edn::Float(quantile)
        };
        (key, latencies[place.min(last)].into())
    });
    Some(Edn::Map(entries.into()))
}

/// What the figures mean.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "duplicated" => "there more than once",
        "lost" => "known to be there once, and missing from the last reads",
        "lost-latencies" => {
            "ms from when a lost element was known to the last read that had it, by quantile"
        }
        "never-read" => "sent, and in no read at all",
        "stable-latencies" => {
            "ms from when an element was known until every read had it, by quantile"
        }
        "stale" => "known, missing from a later read, and there again in the end",
        _ => return None,
    })
}
