//! The messages of a small run as text, with a line for each event, as the simulator prints them.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

use glomer_runtime::sim::Dropped;

use super::Run;
use super::journal::{EventKind, NetEvent};
use crate::history::{OpType, Process};

/// A diagram of more events than this is of no use to people.
const MOST_EVENTS: usize = 40;
/// As many characters are shown of a body.
const BODY: usize = 90;
/// The narrowest column of a name.
const NARROWEST: usize = 4;

/// The diagram of a run, from its first operation on; of one with too many messages, that of
/// these alone, by their numbers. `None` if these are too many, too, or none.
pub fn diagram(run: &Run, telling: &BTreeSet<u64>) -> Option<String> {
    let all = |event: &&NetEvent| event.time >= 0;
    let told = |event: &&NetEvent| all(event) && telling.contains(&event.id);
    let events: Vec<&NetEvent> = run.journal.events().iter().filter(all).collect();
    let events = if events.len() <= MOST_EVENTS {
        events
    } else {
        run.journal.events().iter().filter(told).collect()
    };
    if events.is_empty() || events.len() > MOST_EVENTS {
        return None;
    }
    Some(draw(run, &events))
}

fn draw(run: &Run, events: &[&NetEvent]) -> String {
    let taking_part: HashSet<&str> = events
        .iter()
        .flat_map(|event| [&*event.src, &*event.dest])
        .collect();
    let nodes = &run.schedule.nodes;
    let mut names: Vec<&str> = nodes.iter().map(String::as_str).collect();
    names.retain(|name| taking_part.contains(name));
    for event in events {
        for name in [&*event.src, &*event.dest] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut lanes: Vec<(&str, usize)> = Vec::new();
    let mut width = 0;
    for name in names {
        lanes.push((name, width));
        width += (name.chars().count() + 1).max(NARROWEST);
    }

    let mut out = format!("{:>12} ", "seconds");
    for (place, (name, column)) in lanes.iter().enumerate() {
        let next = lanes.get(place + 1).map_or(width, |lane| lane.1);
        let _ = write!(out, "{name:<room$}", room = next - column);
    }
    let faults = run
        .history
        .0
        .iter()
        .filter(|op| op.process == Process::Nemesis && op.kind == OpType::Info);
    // Each stands there twice, when it is begun and when it is done.
    let mut faults = faults.skip(1).step_by(2).peekable();
    let mut arrived: HashSet<usize> = HashSet::new();
    for (place, event) in events.iter().enumerate() {
        while let Some(fault) = faults.next_if(|fault| fault.time <= event.time) {
            line(&mut out, fault.time, &cells(&lanes, width));
            let _ = write!(
                out,
                "== {} {} ==",
                fault.f,
                shortened(&fault.value.to_string())
            );
        }
        if arrived.contains(&place) {
            continue;
        }
        // What arrives in the moment in which it is sent is one line.
        let at_once = event.kind == EventKind::Send
            && events.get(place + 1).is_some_and(|next| {
                next.id == event.id && next.time == event.time && next.kind == EventKind::Recv
            });
        if at_once {
            arrived.insert(place + 1);
        }
        let mut cells = cells(&lanes, width);
        let column = |name: &str| lanes.iter().find(|lane| lane.0 == name).map(|lane| lane.1);
        let (from, to) = (column(&event.src), column(&event.dest));
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        let text = match event.kind {
            EventKind::Send => {
                for cell in &mut cells[from.min(to)..from.max(to)] {
                    *cell = if *cell == '│' { '┼' } else { '─' };
                }
                let heads = if at_once {
                    ['▶', '◀']
                } else {
                    ['▷', '◁']
                };
                cells[to] = heads[usize::from(from > to)];
                cells[from] = '●';
                shortened(&event.body)
            }
            EventKind::Recv => {
                cells[to] = if from <= to { '▶' } else { '◀' };
                "delivered".to_owned()
            }
            EventKind::Drop(why) => {
                cells[to] = '✗';
                let why = match why {
                    Dropped::Loss => "lost",
                    Dropped::Partition => "dropped by a partition",
                    Dropped::Down => "nobody is there",
                };
                why.to_owned()
            }
        };
        line(&mut out, event.time, &cells);
        let _ = write!(out, "{} → {} #{} {text}", event.src, event.dest, event.id);
    }
    out
}

fn cells(lanes: &[(&str, usize)], width: usize) -> Vec<char> {
    let mut cells = vec![' '; width];
    for (_, column) in lanes {
        cells[*column] = '│';
    }
    cells
}

fn line(out: &mut String, time: i64, cells: &[char]) {
    let _ = write!(out, "\n{:>12.6} ", time as f64 / 1e9);
    out.extend(cells);
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(BODY).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
