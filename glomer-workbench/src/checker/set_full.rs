//! broadcast and g-set: what was added shows up in reads, and stays.
//!
//! This is Jepsen's `set-full` checker without `:linearizable?`. Each added element is *known*
//! from its acknowledgement or the first read that returns it, whichever completes first. It is
//! *stable* if a read that returns it began after the last one that does not; *lost* if a read
//! that does not return it began after it was known, and after all that do; else it was *never
//! read*. A stable element is *stale* if a read began at least a millisecond after it was known
//! and still did not return it.
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

use crate::edn::Edn;
use crate::history::{Excerpt, History, Op, OpType};

use super::{Validity, Verdict};

/// How many of the stalest elements the results show.
const WORST_SHOWN: usize = 8;
const QUANTILES: [f64; 5] = [0.0, 0.5, 0.95, 0.99, 1.0];
const NS_PER_MS: i64 = 1_000_000;

/// An element that a client tried to add. Places are positions in the history.
struct Element<'a> {
    value: &'a Edn,
    /// Where the last attempt to add it began. What happened before says nothing about it.
    added_at: usize,
    known: Option<&'a Op>,
    last_present: Option<&'a Op>,
    last_absent: Option<&'a Op>,
}

struct Read<'a> {
    invocation: &'a Op,
    completed_at: usize,
    /// The elements it returned, as places in the list of elements.
    returned: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Stable { latency: i64 },
    Lost { latency: i64 },
    NeverRead,
}

/// Checks a history of reads and of additions by the function `add`.
///
/// # Errors
/// If a read returned something other than a collection.
pub(crate) fn check(history: &History, add: &str) -> Result<Verdict, String> {
    let mut elements = attempted(history, add);
    let mut duplicated = BTreeMap::new();
    let mut reads = observe(history, add, &mut elements, &mut duplicated)?;
    reads.sort_by_key(|read| std::cmp::Reverse(read.invocation.index));
    find_last_reads(&mut elements, &reads);
    elements.sort_by_key(|element| element.value);
    let verdict = results(&elements, &duplicated);
    let first = duplicated.first_key_value();
    let warning = first.map(|(element, times)| {
        format!(
            "reads returned {} elements more than once, such as {}, {times} times in one \
             read: a set has each of its elements once; Maelstrom does not mind",
            duplicated.len(),
            Excerpt(element)
        )
    });
    Ok(warning.into_iter().fold(verdict, Verdict::warn))
}

fn attempted<'a>(history: &'a History, add: &str) -> Vec<Element<'a>> {
    let mut last_attempts: HashMap<&Edn, usize> = HashMap::new();
    for (place, op) in history.0.iter().enumerate() {
        if op.f == add && op.kind == OpType::Invoke {
            last_attempts.insert(&op.value, place);
        }
    }
    let mut elements: Vec<Element<'_>> = last_attempts
        .into_iter()
        .map(|(value, added_at)| Element {
            value,
            added_at,
            known: None,
            last_present: None,
            last_absent: None,
        })
        .collect();
    elements.sort_unstable_by_key(|element| element.added_at);
    elements
}

/// Goes through the history once: learns when each element became known, and collects the reads
/// and what they returned more than once.
fn observe<'a>(
    history: &'a History,
    add: &str,
    elements: &mut [Element<'a>],
    duplicated: &mut BTreeMap<&'a Edn, usize>,
) -> Result<Vec<Read<'a>>, String> {
    let places: HashMap<&Edn, usize> = elements
        .iter()
        .enumerate()
        .map(|(place, element)| (element.value, place))
        .collect();
    let mut times_returned = vec![0_usize; elements.len()];
    let mut under_way = HashMap::new();
    let mut reads = Vec::new();
    for (place, op) in history.0.iter().enumerate() {
        if op.kind == OpType::Invoke {
            under_way.insert(op.process, op);
            continue;
        }
        let invocation = under_way.remove(&op.process);
        if op.kind != OpType::Ok {
            continue;
        }
        if op.f == add {
            if let Some(&element) = places.get(&op.value)
                && elements[element].added_at < place
            {
                elements[element].known.get_or_insert(op);
            }
        } else if op.f == "read"
            && let Some(invocation) = invocation
        {
            let returned = match &op.value {
                Edn::Nil => &[],
                value => value
                    .as_seq()
                    .ok_or_else(|| format!("a read returned {value}, which is not a collection"))?,
            };
            let mut known = Vec::with_capacity(returned.len());
            for value in returned {
                let Some(&element) = places.get(value) else {
                    continue;
                };
                times_returned[element] += 1;
                if elements[element].added_at < place {
                    elements[element].known.get_or_insert(op);
                    known.push(element);
                }
            }
            for value in returned {
                if let Some(&element) = places.get(value) {
                    let times = std::mem::take(&mut times_returned[element]);
                    if times > 1 {
                        let most = duplicated.entry(value).or_default();
                        *most = times.max(*most);
                    }
                }
            }
            reads.push(Read {
                invocation,
                completed_at: place,
                returned: known,
            });
        }
    }
    Ok(reads)
}

/// Finds each element's last read that returns it and last read that does not, from the reads in
/// the order they began, last first.
///
/// `open` are the elements that every read so far returned, linked in the order they were added.
/// A read looks at those that were added before it completed: either it returned the element,
/// or it settles it, so the work is bounded by what the reads returned.
fn find_last_reads<'a>(elements: &mut [Element<'a>], reads: &[Read<'a>]) {
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
            elements[element]
                .last_present
                .get_or_insert(read.invocation);
        }
        let mut before = first;
        while next[before] != END && elements[next[before]].added_at < read.completed_at {
            let open = next[before];
            if returned_by[open] == number {
                before = open;
            } else {
                elements[open].last_absent = Some(read.invocation);
                next[before] = next[open];
            }
        }
    }
}

impl Element<'_> {
    fn durability(&self) -> Durability {
        let index = |op: Option<&Op>| op.map(|op| op.index);
        let (present, absent) = (index(self.last_present), index(self.last_absent));
        let known_at = self.known.map_or(0, |op| op.time);
        // The moment after a read began, as milliseconds after the element was known.
        let latency = |read: Option<&Op>| {
            let moment = read.map_or(0, |op| op.time + 1);
            (moment - known_at).max(0) / NS_PER_MS
        };
        if present > absent {
            Durability::Stable {
                latency: latency(self.last_absent),
            }
        } else if absent.is_some() && self.known.is_some() && index(self.known) < absent {
            Durability::Lost {
                latency: latency(self.last_present),
            }
        } else {
            Durability::NeverRead
        }
    }
}

fn results(elements: &[Element<'_>], duplicated: &BTreeMap<&Edn, usize>) -> Verdict {
    let outcomes: Vec<(&Element<'_>, Durability)> = elements
        .iter()
        .map(|element| (element, element.durability()))
        .collect();
    let select = |wanted: fn(Durability) -> bool| -> Vec<Edn> {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted(*outcome))
            .map(|(element, _)| element.value.clone())
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
        .map(|(element, times)| ((*element).clone(), (*times).into()));
    verdict
        .figure("never-read", Edn::List(never_read))
        .figure("duplicated", Edn::Map(duplicated.collect()))
}

fn worst_stale(outcomes: &[(&Element<'_>, Durability)]) -> Edn {
    let mut stale: Vec<(i64, &Element<'_>)> = outcomes
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
    let op = |op: Option<&Op>| {
        op.map_or(Edn::Nil, |op| {
            let mut op = op.clone();
            if op.f != "read" {
                "add".clone_into(&mut op.f);
            }
            op.to_tagged()
        })
    };
    Edn::list(
        stale
            .into_iter()
            .rev()
            .take(WORST_SHOWN)
            .map(|(latency, element)| {
                Edn::map([
                    ("element", element.value.clone()),
                    ("outcome", Edn::kw("stable")),
                    ("stable-latency", latency.into()),
                    ("lost-latency", Edn::Nil),
                    ("known", op(element.known)),
                    ("last-absent", op(element.last_absent)),
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
