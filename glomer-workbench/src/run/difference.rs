//! Where two runs of one seed first differ.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use super::Run;
use super::journal::{Journal, NetEvent};
use super::problem::{Problem, excerpt};

/// Where the second of two runs first differs from the first, in a sentence.
pub fn between(first: &Run, second: &Run) -> Option<String> {
    let events = [&first.journal, &second.journal].map(Journal::events);
    events_differ(events[0], events[1])
        .or_else(|| {
            let ops = [first, second].map(|run| run.history.0.iter());
            let [ops, others] = ops.map(|ops| ops.map(|op| op.to_edn()));
            first_difference("entry of the history", ops, others)
        })
        .or_else(|| {
            let sent = |run: &Run| {
                let (clients, servers) = (run.journal.clients(), run.journal.servers());
                (clients, servers, run.journal.dropped())
            };
            let differ = sent(first) != sent(second);
            differ.then(|| "They sent or lost different numbers of messages.".to_owned())
        })
        .or_else(|| {
            let [one, other] =
                [first, second].map(|run| run.problem.as_ref().map(Problem::headline));
            let told =
                |text: Option<String>| text.unwrap_or_else(|| "without a problem".to_owned());
            (one != other).then(|| {
                let (one, other) = (told(one), told(other));
                format!("They ended differently: {one}; and then: {other}.")
            })
        })
}

fn events_differ(first: &[NetEvent], second: &[NetEvent]) -> Option<String> {
    let described = |events: &[NetEvent]| -> Vec<String> { events.iter().map(describe).collect() };
    if first == second {
        return None;
    }
    first_difference(
        "event of the network",
        described(first).into_iter(),
        described(second).into_iter(),
    )
}

fn describe(event: &NetEvent) -> String {
    let NetEvent {
        time,
        kind,
        id,
        src,
        dest,
        body,
    } = event;
    let seconds = *time as f64 / 1e9;
    format!("{kind:?} of {src} → {dest} #{id} at {seconds:.6} s: {body}").to_lowercase()
}

/// Where what nodes wrote to standard error first differs.
pub fn between_logs(nodes: &[String], first: &Path, second: &Path) -> Option<String> {
    nodes.iter().find_map(|node| {
        let name = format!("{node}.log");
        let [first, second] = [first, second].map(|logs| {
            let bytes = fs::read(logs.join(&name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        first_difference(&format!("line of {name}"), first.lines(), second.lines())
    })
}

fn first_difference<T: Display + PartialEq>(
    what: &str,
    mut first: impl Iterator<Item = T>,
    mut second: impl Iterator<Item = T>,
) -> Option<String> {
    let told = |item: Option<T>| match item {
        Some(item) => excerpt(item.to_string().as_bytes()),
        None => "nothing".to_owned(),
    };
    for number in 1.. {
        match (first.next(), second.next()) {
            (None, None) => break,
            (one, other) if one == other => {}
            (one, other) => {
                return Some(format!(
                    "The first difference is {what} {number}: first {}; then {}.",
                    told(one),
                    told(other)
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told_and_an_early_end_is_one() {
        let differ = |one: &[&str], other: &[&str]| {
            first_difference("line", one.iter().copied(), other.iter().copied())
        };
        assert_eq!(differ(&["a", "b"], &["a", "b"]), None);
        let told = differ(&["a", "b", "c"], &["a", "x", "y"]).unwrap();
        assert_eq!(told, "The first difference is line 2: first b; then x.");
        let told = differ(&["a"], &["a", "b"]).unwrap();
        assert_eq!(
            told,
            "The first difference is line 2: first nothing; then b."
        );
    }
}
