//! The messages of a run for the page's diagram, a Lamport diagram of the network's journal.
//!
//! What is drawn is a matter of the scripts beside this file: a window of the run, its lanes
//! chosen by the reader. Here is what they draw from: every message as an arrow between two
//! steps, one step per event. The arrows are in parts of some steps each. The first is in the
//! page; the others are files of their own, which a page opened from a disk can load as scripts
//! only. An arrow between two parts is in both.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use glomer_runtime::sim::Dropped;
use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::text::count;
use crate::run::body::KeptBody;
use crate::run::journal::{EventKind, Journal, NetEvent};
use crate::run::nemesis::period::FaultPeriod;

/// What the page runs for it.
pub(super) const SCRIPT: &str = concat!(
    include_str!("parts.js"),
    include_str!("picture.js"),
    include_str!("view.js"),
);
const STYLE: &str = include_str!("picture.css");

/// A part has no more steps than these, and ends where its bodies come to so many bytes.
const MOST_STEPS: usize = 2_000;
const ENOUGH_BYTES: usize = 512 << 10;

/// The messages of a run.
pub(super) struct Diagram<'a> {
    /// What the scripts know before they load a part, as JSON.
    head: String,
    /// The arrows of each part, by the steps at which they begin.
    parts: Vec<Vec<Arrow<'a>>>,
    /// How many network events there were, start-up aside.
    events: usize,
    /// How many of them the journal has: the first.
    kept: usize,
    /// The steps at which the marked messages were sent, by their numbers.
    pub(super) marked: BTreeMap<u64, usize>,
    /// The first steps of the faults, of those into which any event falls.
    pub(super) faults: Vec<Option<usize>>,
}

/// What the scripts know before they load a part.
#[derive(Serialize)]
struct Head<'a> {
    /// Everyone who sends or receives, in the order of the lanes.
    names: &'a [&'a str],
    /// How many steps there are, and with which of them the parts begin.
    steps: usize,
    starts: &'a [usize],
    /// The faults, each with its first step and the one past its last.
    faults: Vec<(&'a str, usize, usize)>,
    /// The numbers of marked messages, each with the step at which it was sent.
    marked: Vec<(u64, usize)>,
}

/// A message from its sending to one of its ends.
///
/// Its number; who sent it to whom, as places among the names; the step and time at which it
/// was sent; those at which it ended and how, if it did; its body.
#[derive(Serialize)]
struct Arrow<'a>(
    u64,
    (usize, usize),
    (usize, i64),
    Option<(usize, i64)>,
    &'static str,
    &'a str,
);

/// The diagram of a journal, in which messages of these numbers are marked.
pub(super) fn diagram<'a>(
    journal: &'a Journal,
    faults: &[FaultPeriod<'_>],
    marked: &BTreeSet<u64>,
) -> Diagram<'a> {
    let (events, total) = without_init(journal);
    let names = names(&events);
    let place: HashMap<&str, usize> = (names.iter().enumerate())
        .map(|(place, name)| (*name, place))
        .collect();
    let mut sent: HashMap<u64, usize> = HashMap::new();
    for (step, event) in events.iter().enumerate() {
        if event.kind == EventKind::Send {
            sent.insert(event.id, step);
        }
    }
    let marked: BTreeMap<u64, usize> = (marked.iter())
        .filter_map(|id| Some((*id, *sent.get(id)?)))
        .collect();

    let last = events.last().map_or(0, |event| event.time);
    let starts = starts(&events);
    let part = |step: usize| starts.partition_point(|start| *start <= step) - 1;
    let mut parts: Vec<Vec<Arrow<'_>>> = starts.iter().map(|_| Vec::new()).collect();
    for (sent, end) in ways(&events) {
        let message = events[sent];
        let (end, fate) = match end {
            Some(step) => (Some((step, events[step].time)), fate(events[step].kind)),
            None if events.len() == total => (None, "never received"),
            None => (
                Some((events.len(), last)),
                "under way when what is kept ends,",
            ),
        };
        let arrow = || {
            Arrow(
                message.id,
                (place[&*message.src], place[&*message.dest]),
                (sent, message.time),
                end,
                fate,
                &message.body,
            )
        };
        let (from, to) = (part(sent), part(end.map_or(sent, |(step, _)| step)));
        parts[from].push(arrow());
        if to != from {
            parts[to].push(arrow());
        }
    }
    let faults: Vec<_> = faults.iter().map(|it| extent(it, &events)).collect();
    let head = Head {
        names: &names,
        steps: events.len(),
        starts: &starts,
        faults: faults.iter().copied().flatten().collect(),
        marked: marked.iter().map(|(id, step)| (*id, *step)).collect(),
    };
    Diagram {
        head: json(&head),
        parts,
        events: total,
        kept: events.len(),
        marked,
        faults: faults
            .iter()
            .map(|it| it.map(|(_, first, _)| first))
            .collect(),
    }
}

impl Diagram<'_> {
    /// The files beside the page, by their names, each with a part of the arrows.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, String)> {
        let parts = self.parts.iter().enumerate().skip(1);
        parts.map(|(number, part)| {
            let name = format!("{number}.js");
            (name, format!("part({number},{})", json(part)))
        })
    }

    /// What stands in the page. Its scripts fill it.
    pub(super) fn view(&self) -> Markup {
        html! {
            p.note {
                "Time flows down. "
                span.client { "Blue" } ": to or from a client. "
                span.error { "Red" } ": an error. A cross: lost. "
                @if !self.marked.is_empty() { span.told { "Orange" } ": what made it not valid. " }
                "Click an arrow, or step with " kbd { "↓" } " and " kbd { "↑" } ", to see the whole "
                "message; " kbd { "→" } " follows it to its end, " kbd { "←" } " to where it was sent."
                @if self.kept < self.events {
                    " The first " (count(self.kept)) " of " (count(self.events))
                    " network events are kept."
                }
            }
            noscript { p.note { "The diagram is drawn by the page's script, which this browser does not run." } }
            div.diagram hidden {
                div.lanes {}
                form.search {
                    input type="search" placeholder="Mark a value such as 42, or msg_id 7" aria-label="Mark messages";
                    button type="button" value="-1" title="The marked message before (N)" { "‹" }
                    button type="button" value="1" title="The next marked message (n)" { "›" }
                    output {}
                }
                div.window {
                    button type="button" value="-1" title="The window before" { "‹" }
                    div {
                        svg.whole viewBox="0 0 1000 1" preserveAspectRatio="none" aria-hidden="true" {}
                        input type="range" min="0" value="0" aria-label="Where the window begins";
                    }
                    button type="button" value="1" title="The next window" { "›" }
                    output {}
                }
                div.scroll.lamport-view tabindex="0" aria-label="The diagram" {
                    div.names aria-hidden="true" {}
                    svg.lamport xmlns="http://www.w3.org/2000/svg" { style { (PreEscaped(STYLE)) } g {} }
                }
                div.event aria-live="polite" {}
                p.note { "This window as a file: " a.save href="#messages" download="messages.svg" { "messages.svg" } }
            }
            script #messages-head type="application/json" { (PreEscaped(&self.head)) }
            script #messages-part type="application/json" { (PreEscaped(json(&self.parts[0]))) }
        }
    }
}

/// A step of the diagram as the page's address names it.
pub(super) fn anchor(step: usize) -> String {
    format!("event-{step}")
}

/// JSON that is no markup, whatever it holds. Outside of strings, JSON has no such character.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("numbers and strings are JSON");
    text.replace('<', "\\u003c")
}

fn fate(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Send | EventKind::Recv => "received",
        EventKind::Drop(Dropped::Loss) => "lost",
        EventKind::Drop(Dropped::Partition) => "dropped by a partition",
        EventKind::Drop(Dropped::Down) => "lost, for nobody was there",
    }
}

/// The events, and how many there would be without a bound. Like Maelstrom's, the diagram
/// leaves out the `init` of each node and the answer to it, unless the run came no further.
fn without_init(journal: &Journal) -> (Vec<&NetEvent>, usize) {
    let mut total = usize::try_from(journal.total()).unwrap_or(usize::MAX);
    let mut events: Vec<&NetEvent> = journal.events().iter().collect();
    let init = events.iter().filter(|event| is_init(event)).count();
    if init < events.len() {
        events.retain(|event| !is_init(event));
        total -= init;
    }
    (events, total)
}

fn is_init(event: &NetEvent) -> bool {
    // Parsing is dear: only what has the word in it can have it as its type.
    event.body.contains("init")
        && ["init", "init_ok"].contains(&KeptBody::parse(&event.body).kind.as_str())
}

/// Everyone who sends or receives, in Maelstrom's order: by letters, then by
/// number; whoever has no number (the services) last.
fn names<'a>(events: &[&'a NetEvent]) -> Vec<&'a str> {
    let names: BTreeSet<&str> = events.iter().flat_map(|e| [&*e.src, &*e.dest]).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| {
        let (letters, digits) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
        let digits = &digits[..digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len())];
        match digits.parse::<u64>() {
            Ok(number) if !letters.is_empty() => (0, letters, number),
            _ => (1, *name, 0),
        }
    });
    names
}

/// The first steps of the parts, of which there is one at least.
fn starts(events: &[&NetEvent]) -> Vec<usize> {
    let mut starts = vec![0];
    let (mut first, mut bytes) = (0, 0);
    for (step, event) in events.iter().enumerate() {
        if step - first == MOST_STEPS || bytes >= ENOUGH_BYTES {
            (first, bytes) = (step, 0);
            starts.push(step);
        }
        bytes += event.body.len();
    }
    starts
}

/// The steps at which messages were sent and ended, once for each of their ends.
fn ways(events: &[&NetEvent]) -> Vec<(usize, Option<usize>)> {
    let mut sent: HashMap<u64, usize> = HashMap::new();
    let mut ended: HashSet<u64> = HashSet::new();
    let mut ways = Vec::new();
    for (step, event) in events.iter().enumerate() {
        if event.kind == EventKind::Send {
            sent.insert(event.id, step);
        } else if let Some(&sent) = sent.get(&event.id) {
            ended.insert(event.id);
            ways.push((sent, Some(step)));
        }
    }
    let open = sent.iter().filter(|(id, _)| !ended.contains(id));
    ways.extend(open.map(|(_, &sent)| (sent, None)));
    ways.sort_unstable();
    ways
}

/// The steps of a fault, if any event falls into it.
fn extent<'a>(fault: &FaultPeriod<'a>, events: &[&NetEvent]) -> Option<(&'a str, usize, usize)> {
    let first = events.partition_point(|event| event.time < fault.start);
    let past = match fault.stop {
        Some(stop) => events.partition_point(|event| event.time <= stop),
        None => events.len(),
    };
    (first < past).then_some((fault.kind, first, past))
}
