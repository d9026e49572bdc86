//! `messages.svg`: a Lamport diagram of the network's journal.
//!
//! Time flows down, one step per event; each node, client and service is a
//! column; each message is an arrow from where it was sent to where it was
//! received. What is drawn, in which order and up to which bound follows
//! Maelstrom's diagram (its `net/viz.clj`); lost messages and faults are ours.

mod label;

use std::collections::{BTreeSet, HashMap, HashSet};

use maud::{Markup, PreEscaped, html};

use self::label::Labels;
use super::text::{count, duration, printable};
use crate::run::body::KeptBody;
use crate::run::journal::{EventKind, Journal, NetEvent, involves_client};
use crate::run::nemesis::period::FaultPeriod;

const STEP: f64 = 20.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 60.0;
/// The times at the left edge.
const GUTTER: f64 = 84.0;
/// All columns together, if they need not come closer than [`NARROWEST`].
const COLUMNS: f64 = 1056.0;
const NARROWEST: f64 = 48.0;
const WIDEST: f64 = 190.0;
/// The columns' names come again after so many steps.
const NAMES_EVERY: usize = 50;
const TIME_EVERY: usize = 5;
/// The room for the name of a fault.
const FAULT_NAME: f64 = 60.0;

const STYLE: &str = "
.lamport { color-scheme: light dark; font: 11px system-ui, 'Helvetica Neue', Arial, sans-serif; }
.lamport .paper { fill: #fff; }
.lamport .column { stroke: #d9dde2; }
.lamport .name { fill: #1f2328; text-anchor: middle; font-weight: 600; font-size: 12px; }
.lamport .again { fill: #9aa2ad; font-weight: 400; }
.lamport .time { fill: #8a929d; text-anchor: end; }
.lamport .fault { fill: #8b5cf6; fill-opacity: .05; }
.lamport .fault-name { fill: #8b5cf6; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.lamport .message path { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.lamport .message:hover path { stroke-width: 4; }
.lamport .message text { text-anchor: middle; paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round; fill: #1f2328; }
.lamport .server path { stroke: #3d4550; }
.lamport .client path { stroke: #4c9be8; }
.lamport .error path { stroke: #d91e6b; }
.lamport .error text { fill: #b3124f; }
.lamport .told path { stroke: #d9822b; stroke-width: 3.5; }
.lamport .told:target path { stroke-width: 6; }
.lamport .below path { stroke-dasharray: 2 5; }
.lamport .end line { stroke: #d9822b; }
.lamport .end text { fill: #b4610f; text-anchor: middle; font-size: 13px; }
@media (prefers-color-scheme: dark) {
  .lamport .paper { fill: #16191d; }
  .lamport .column { stroke: #343a42; }
  .lamport .name { fill: #e4e7eb; }
  .lamport .again, .lamport .time { fill: #7d8692; }
  .lamport .message text { stroke: #16191d; fill: #e4e7eb; }
  .lamport .fault-name { stroke: #16191d; }
  .lamport .server path { stroke: #aeb6c0; }
  .lamport .client path { stroke: #4c9be8; }
  .lamport .error path { stroke: #f0468a; }
  .lamport .error text { fill: #ff8db8; }
  .lamport .end text { fill: #e8a562; }
}
";

/// The diagram and what a page around it needs to know.
pub(super) struct Diagram {
    /// A whole `svg` element.
    pub(super) svg: String,
    /// Its width in pixels.
    pub(super) width: f64,
    /// The name and the middle of each column, in pixels.
    pub(super) columns: Vec<(String, f64)>,
    /// How many network events there were, start-up aside.
    pub(super) events: usize,
    /// How many of them are drawn: the first.
    pub(super) drawn: usize,
    /// The messages that are drawn and marked, by their numbers.
    pub(super) marked: BTreeSet<u64>,
}

/// How an arrow ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Received at this step.
    Received(usize),
    /// Dropped by the network at this step.
    Dropped(usize),
    /// Neither received nor dropped when the run ended.
    Never,
    /// Not before the end of the picture, which is not the end of the run.
    Below,
}

struct Arrow<'a> {
    sent: usize,
    end: End,
    message: &'a NetEvent,
}

/// The diagram of a journal, in which messages of these numbers are marked.
pub(super) fn diagram(
    journal: &Journal,
    faults: &[FaultPeriod<'_>],
    marked: &BTreeSet<u64>,
) -> Diagram {
    let (events, total) = window(journal);
    let all = events.len() == total;
    let names = columns(&events);
    let pitch = (COLUMNS / names.len().max(1) as f64).clamp(NARROWEST, WIDEST);
    let place: HashMap<&str, f64> = (names.iter().enumerate())
        .map(|(i, name)| (*name, GUTTER + pitch * (i as f64 + 0.5)))
        .collect();
    let arrows = arrows(&events, all);
    let bottom = y(events.len());
    let width = (GUTTER + pitch * names.len() as f64).max(420.0);
    let height = bottom + BOTTOM;
    let names_every = NAMES_EVERY.max(names.len());

    let mut labels = Labels::default();
    let mut found = BTreeSet::new();

    let svg = html! {
        svg.lamport xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } {
            style { (PreEscaped(STYLE)) }
            rect.paper width=(width) height=(height) {}
            @for fault in faults { (band(fault, &events, width)) }
            @for name in &names {
                @let x = place[name];
                line.column x1=(x) x2=(x) y1=(TOP - 12.0) y2=(bottom) {}
                text.name x=(x) y=(TOP - 20.0) { (printable(name)) }
                @for step in (names_every..events.len()).step_by(names_every) {
                    text.name.again x=(x) y=(y(step) - 4.0) { (printable(name)) }
                }
            }
            @for (step, event) in events.iter().enumerate().step_by(TIME_EVERY) {
                text.time x=(GUTTER - 16.0) y=(y(step) + 4.0) { (moment(event.time)) }
            }
            @for arrow in &arrows {
                @let told = marked.contains(&arrow.message.id).then(|| found.insert(arrow.message.id));
                (draw(arrow, told, &events, &place, bottom, &mut labels))
            }
            @for fault in faults { (fault_name(fault, lane(fault, faults), &events)) }
            @if events.is_empty() {
                text.time x=(width / 2.0) y=(TOP) { "no messages" }
            }
            @if !all {
                g.end {
                    line x1="24" x2=(width - 24.0) y1=(bottom + 14.0) y2=(bottom + 14.0) {}
                    text x=(width.min(COLUMNS) / 2.0) y=(bottom + 36.0) {
                        "The first " (count(events.len())) " of " (count(total))
                        " network events are drawn."
                    }
                }
            }
        }
    };
    Diagram {
        svg: svg.into_string(),
        width,
        columns: names
            .iter()
            .map(|name| (name.to_string(), place[name]))
            .collect(),
        events: total,
        drawn: events.len(),
        marked: found,
    }
}

/// The events to draw, and how many there would be without a bound. Like
/// Maelstrom's, the diagram leaves out the `init` of each node and the answer to
/// it, unless the run came no further.
fn window(journal: &Journal) -> (Vec<&NetEvent>, usize) {
    let counts = [journal.clients(), journal.servers()];
    let total: u64 = counts
        .iter()
        .map(|counts| counts.sent + counts.received)
        .sum();
    let mut total = usize::try_from(total + journal.dropped()).unwrap_or(usize::MAX);
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
fn columns<'a>(events: &[&'a NetEvent]) -> Vec<&'a str> {
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

/// The messages sent among `events`, once for each of their ends. One that has
/// none is lost if these are `all` events of the run.
fn arrows<'a>(events: &[&'a NetEvent], all: bool) -> Vec<Arrow<'a>> {
    let mut sent: HashMap<u64, usize> = HashMap::new();
    let mut ended: HashSet<u64> = HashSet::new();
    let mut arrows = Vec::new();
    for (step, event) in events.iter().enumerate() {
        let end = match event.kind {
            EventKind::Send => {
                sent.insert(event.id, step);
                continue;
            }
            EventKind::Recv => End::Received(step),
            EventKind::Drop(_) => End::Dropped(step),
        };
        if let Some(&sent) = sent.get(&event.id) {
            ended.insert(event.id);
            arrows.push(Arrow {
                sent,
                end,
                message: events[sent],
            });
        }
    }
    let mut open: Vec<usize> = sent
        .into_iter()
        .filter(|(id, _)| !ended.contains(id))
        .map(|(_, sent)| sent)
        .collect();
    open.sort_unstable();
    let end = if all { End::Never } else { End::Below };
    arrows.extend(open.into_iter().map(|sent| Arrow {
        sent,
        end,
        message: events[sent],
    }));
    arrows
}

fn y(step: usize) -> f64 {
    TOP + STEP * step as f64
}

/// A moment in ns, fine enough to tell a step from the next.
fn moment(ns: i64) -> String {
    let ms = ns as f64 / 1e6;
    if ms.abs() < 1000.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{:.4} s", ms / 1000.0)
    }
}

/// The place of a fault's name from the left, one for each kind, so that those of faults
/// that begin together do not cover each other.
fn lane(fault: &FaultPeriod<'_>, faults: &[FaultPeriod<'_>]) -> usize {
    let kinds = faults.iter().map(|fault| fault.kind);
    kinds
        .take_while(|kind| *kind != fault.kind)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Where a fault begins and ends, if any event falls into it.
fn extent(fault: &FaultPeriod<'_>, events: &[&NetEvent]) -> Option<(f64, f64)> {
    let first = events.partition_point(|event| event.time < fault.start);
    let past = match fault.stop {
        Some(stop) => events.partition_point(|event| event.time <= stop),
        None => events.len(),
    };
    (first < past).then(|| (y(first) - STEP / 2.0, y(past) - STEP / 2.0))
}

/// The shading of a fault over the events that fall into it.
fn band(fault: &FaultPeriod<'_>, events: &[&NetEvent], width: f64) -> Markup {
    html! {
        @if let Some((top, bottom)) = extent(fault, events) {
            rect.fault x="0" y=(top) width=(width) height=(bottom - top) {
                title { (printable(fault.kind)) " from " (moment(fault.start)) }
            }
        }
    }
}

fn fault_name(fault: &FaultPeriod<'_>, lane: usize, events: &[&NetEvent]) -> Markup {
    html! {
        @if let Some((top, _)) = extent(fault, events) {
            text.fault-name x=(GUTTER + FAULT_NAME * lane as f64) y=(top + 13.0) {
                (printable(fault.kind))
            }
        }
    }
}

/// An arrow. One that is told of is marked, and has a name if it is the first of its message.
fn draw(
    arrow: &Arrow<'_>,
    told: Option<bool>,
    events: &[&NetEvent],
    place: &HashMap<&str, f64>,
    bottom: f64,
    labels: &mut Labels,
) -> Markup {
    let message = arrow.message;
    let body = KeptBody::parse(&message.body);
    let class = match body.kind.as_str() {
        "error" => "error",
        _ if involves_client(&message.src, &message.dest) => "client",
        _ => "server",
    };
    let from = (place[&*message.src], y(arrow.sent));
    let across = place[&*message.dest] - from.0;
    let (to, fate) = match arrow.end {
        End::Received(step) => ((from.0 + across, y(step)), "received"),
        End::Dropped(step) => ((from.0 + 0.75 * across, y(step)), "lost"),
        End::Never => ((from.0 + 0.5 * across, from.1 + STEP), "never received"),
        End::Below => (
            (from.0 + across, bottom),
            "received below the end of this picture",
        ),
    };
    let ended = match arrow.end {
        End::Received(step) | End::Dropped(step) => Some(events[step].time),
        End::Never | End::Below => None,
    };
    let fate_class = match arrow.end {
        End::Received(_) => "",
        End::Dropped(_) | End::Never => " lost",
        End::Below => " below",
    };
    let told_class = if told.is_some() { " told" } else { "" };
    html! {
        g class={ "message " (class) (fate_class) (told_class) }
            id=[(told == Some(true)).then(|| anchor(message.id))] {
            title {
                (printable(&message.src)) " → " (printable(&message.dest))
                ", sent at " (moment(message.time)) ", " (fate)
                @if let Some(ended) = ended { " " (duration(ended - message.time)) " later" }
                "\n" (printable(&message.body))
            }
            path d=(path(from, to, arrow.end, across == 0.0)) {}
            (labels.label(from, to, &body))
        }
    }
}

/// The name of a message's arrow, if that is marked.
pub(super) fn anchor(message: u64) -> String {
    format!("message-{message}")
}

type Point = (f64, f64);

/// The line with its arrowhead, or its broken end.
fn path(from: Point, to: Point, end: End, to_self: bool) -> String {
    // Who writes to itself: a bow to the right of its column.
    let (line, (ux, uy)) = if to_self {
        let bow = from.0 + 34.0;
        (
            format!("C{bow} {} {bow} {} {} {}", from.1, to.1, to.0, to.1),
            (-1.0, 0.0),
        )
    } else {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        (
            format!("L{:.1} {:.1}", to.0, to.1),
            (dx / length, dy / length),
        )
    };
    let at = |along: f64, aside: f64| {
        format!(
            "{:.1} {:.1}",
            to.0 + ux * along - uy * aside,
            to.1 + uy * along + ux * aside
        )
    };
    let tip = match end {
        End::Received(_) => format!(
            "M{}L{:.1} {:.1}L{}",
            at(-9.0, 4.0),
            to.0,
            to.1,
            at(-9.0, -4.0)
        ),
        End::Dropped(_) | End::Never => format!(
            "M{}L{}M{}L{}",
            at(-5.0, 5.0),
            at(5.0, -5.0),
            at(-5.0, -5.0),
            at(5.0, 5.0)
        ),
        End::Below => String::new(),
    };
    format!("M{:.1} {:.1}{line}{tip}", from.0, from.1)
}
