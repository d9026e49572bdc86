//! Transactions that each saw something of the next, in a circle.
//!
//! An edge leads from the sender of a message to everyone who polled it, and from a transaction
//! to those that began after it ended. Of each set of transactions that are connected both ways
//! one cycle is shown, without edges of the second kind if there is one. The graph search is the
//! crate `adya`'s.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use adya::graph::{
    CycleSpec, Graph, GraphBuilder, REALTIME, RwMode, Search, Step, WR, any_cycle, find_cycle,
};

use crate::edn::Edn;
use crate::history::OpType;
use crate::verdict::entry;

use super::facts::{Facts, KeyValue};
use super::transaction::{Event, Names};

/// How long to look for a cycle of the more telling kind.
const SEARCH: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Cycles {
    /// There is no edge at all.
    pub(super) empty: bool,
    /// Cycles of sends and polls alone.
    pub(super) g1c: Vec<Edn>,
    /// Cycles that take the order of time to close.
    pub(super) g1c_realtime: Vec<Edn>,
}

pub(super) fn find(events: &[Event<'_>], facts: &Facts, names: &Names<'_>) -> Cycles {
    let mut edges = GraphBuilder::default();
    let mut empty = true;
    // The message an edge between two events is due to.
    let mut messages: HashMap<(u32, u32), KeyValue> = HashMap::new();
    for (message, pollers) in &facts.pollers {
        if let Some(&sender) = facts.sender.get(message) {
            for &poller in pollers.iter().filter(|&&poller| poller != sender) {
                let edge = (sender as u32, poller as u32);
                edges.link(edge.0, edge.1, WR);
                let due_to = messages.entry(edge).or_insert(*message);
                *due_to = (*due_to).min(*message);
                empty = false;
            }
        }
    }
    for (earlier, later) in realtime(events) {
        edges.link(earlier as u32, later as u32, REALTIME);
        empty = false;
    }
    let graph = edges.finish(events.len());
    let all: Vec<u32> = (0..events.len() as u32).collect();
    let mut cycles = Cycles {
        empty,
        ..Cycles::default()
    };
    for component in graph.sccs(&all, |_| true) {
        let cycle = cycle_of(&graph, &component);
        let realtime = cycle.iter().any(|step| step.rel == REALTIME);
        let kind = if realtime { "G1c-realtime" } else { "G1c" };
        let shown = show(&cycle, kind, events, names, &messages);
        if realtime {
            cycles.g1c_realtime.push(shown);
        } else {
            cycles.g1c.push(shown);
        }
    }
    cycles
}

fn cycle_of(graph: &Graph, component: &[u32]) -> Vec<Step> {
    let of_messages = CycleSpec {
        name: "G1c",
        allowed: WR,
        rw: RwMode::None,
        need_wr: true,
        need: 0,
    };
    let deadline = Instant::now() + SEARCH;
    if let Search::Found(cycle) = find_cycle(graph, component, &of_messages, deadline) {
        return cycle;
    }
    any_cycle(graph, component)
}

fn show(
    cycle: &[Step],
    kind: &str,
    events: &[Event<'_>],
    names: &Names<'_>,
    messages: &HashMap<(u32, u32), KeyValue>,
) -> Edn {
    let op = |step: &Step| events[step.from as usize].shown();
    let ops = cycle.iter().chain(cycle.first()).map(op);
    let steps = cycle.iter().enumerate().map(|(at, step)| {
        let next = &cycle[(at + 1) % cycle.len()];
        if step.rel == REALTIME {
            let began = entry(events[next.from as usize].invoked.index);
            return Edn::map([
                ("type", Edn::kw("realtime")),
                ("a'", op(step)),
                ("b", began),
            ]);
        }
        let mut map = Edn::map([("type", Edn::kw("wr"))]);
        if let Some((key, value)) = messages.get(&(step.from, next.from)) {
            map.insert("key", names.edn(*key));
            map.insert("value", names.edn(*value));
        }
        map
    });
    Edn::map([
        ("cycle", Edn::vector(ops)),
        ("steps", Edn::list(steps)),
        ("type", Edn::kw(kind)),
    ])
}

/// Which transactions ended before which began, without those that follow from others. What
/// failed has no place in time, what is indeterminate may end at any time.
fn realtime(events: &[Event<'_>]) -> Vec<(usize, usize)> {
    let mut moments: Vec<(usize, bool, usize)> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        if event.transaction().is_some() && event.end != OpType::Fail {
            moments.push((event.invoked.index, false, place));
            if event.end == OpType::Ok {
                moments.push((event.at().index, true, place));
            }
        }
    }
    moments.sort_unstable();
    let mut edges = Vec::new();
    // What ended and is not known to be before something else that ended.
    let mut frontier: Vec<usize> = Vec::new();
    let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
    for (_, ended, place) in moments {
        if ended {
            if let Some(before) = before.remove(&place) {
                frontier.retain(|earlier| !before.contains(earlier));
            }
            frontier.push(place);
        } else {
            edges.extend(frontier.iter().map(|&earlier| (earlier, place)));
            before.insert(place, frontier.clone());
        }
    }
    edges
}
