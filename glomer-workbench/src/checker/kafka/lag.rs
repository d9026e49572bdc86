//! How far pollers were behind: for how long, at least, a later message had been in the log when
//! a poll began that did not return it.

use std::collections::HashMap;
use std::time::Duration;

use crate::edn::Edn;
use crate::history::OpType;

use super::transaction::{Event, Id, LogFunction, Names, What};

/// For each key, when it was first known to hold messages up to an offset: both rise.
type Known = HashMap<Id, Vec<(i64, Duration)>>;

/// The greatest lag of a poll, as Jepsen shows it, times in seconds.
pub(super) fn worst(events: &[Event<'_>], names: &Names<'_>) -> Edn {
    let known = known(events);
    let mut positions: HashMap<u64, Vec<(Id, i64)>> = HashMap::new();
    let mut worst: Option<(Duration, Duration, u64, Id)> = None;
    for event in events.iter().filter(|event| event.end == OpType::Ok) {
        let position = positions.entry(event.process).or_default();
        match &event.what {
            What::Assign(_) if event.f == LogFunction::Subscribe => position.clear(),
            What::Assign(keys) => {
                let before = std::mem::take(position);
                for key in keys {
                    let offset = before
                        .iter()
                        .find(|(other, _)| other == key)
                        .map_or(-1, |(_, offset)| *offset);
                    position.push((*key, offset));
                }
            }
            What::Transaction(_) if event.f == LogFunction::Send => {}
            What::Transaction(_) => {
                for (key, offset) in greatest_offsets(event) {
                    match position.iter_mut().find(|(other, _)| *other == key) {
                        Some((_, known)) => *known = offset.max(*known),
                        None => position.push((key, offset)),
                    }
                }
                let began = event.invoked.time;
                for (key, offset) in position {
                    let superseded = superseded(&known, *key, *offset);
                    let lag = superseded.map_or(Duration::ZERO, |at| began.saturating_sub(at));
                    if worst.is_none_or(|(greatest, ..)| greatest < lag) {
                        worst = Some((lag, began, event.process, *key));
                    }
                }
            }
        }
    }
    let seconds = |time: Duration| Edn::Float(time.as_nanos() as f64 / 1e9);
    match worst {
        None => Edn::map([
            ("time", seconds(Duration::ZERO)),
            ("lag", seconds(Duration::ZERO)),
        ]),
        Some((lag, time, process, key)) => Edn::map([
            ("time", seconds(time)),
            ("process", process.into()),
            ("key", names.edn(key)),
            ("lag", seconds(lag)),
        ]),
    }
}

fn known(events: &[Event<'_>]) -> Known {
    let mut known = Known::new();
    for event in events {
        if !matches!(event.end, OpType::Ok | OpType::Info) {
            continue;
        }
        for (key, offset) in greatest_offsets(event) {
            let steps = known.entry(key).or_default();
            if steps.last().map_or(-1, |(offset, _)| *offset) < offset {
                steps.push((offset, event.at().time));
            }
        }
    }
    known
}

/// When it was known that a message follows the one at this offset.
fn superseded(known: &Known, key: Id, offset: i64) -> Option<Duration> {
    let steps = known.get(&key)?;
    let step = steps.partition_point(|(up_to, _)| *up_to <= offset);
    steps.get(step).map(|(_, time)| *time)
}

/// The greatest offset of each key that a transaction sent to or polled, -1 for a key that it
/// polled in vain.
fn greatest_offsets(event: &Event<'_>) -> Vec<(Id, i64)> {
    let mut greatest: Vec<(Id, i64)> = Vec::new();
    let Some(transaction) = event.transaction() else {
        return greatest;
    };
    let mut note = |key: Id, offset: i64| match greatest.iter_mut().find(|(other, _)| *other == key)
    {
        Some((_, known)) => *known = offset.max(*known),
        None => greatest.push((key, offset)),
    };
    for (key, messages) in &transaction.polls {
        let offset = messages.iter().filter_map(|message| message.offset).max();
        note(*key, offset.unwrap_or(-1));
    }
    for (key, messages) in &transaction.sends {
        if let Some(offset) = messages.iter().filter_map(|message| message.offset).max() {
            note(*key, offset);
        }
    }
    greatest
}
