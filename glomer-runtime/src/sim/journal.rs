//! What happened in a cluster, event by event.

use super::network::{Address, Dropped, Fate, MessageId, Network};
use super::packet::Packet;
use crate::body::read::body_text;
use crate::log::Record;
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Write};
use std::time::Duration;

/// How many bytes of lines are kept unless all are.
const KEPT_BYTES: usize = 4 << 20;

/// How many events are kept unless all are.
const KEPT_EVENTS: usize = 1_000;

/// The events of a cluster, oldest first; see [`Cluster::journal`](super::Cluster::journal).
///
/// It displays as lines of JSON, one for each event and equal to the byte for equal runs:
///
/// ```
/// # use glomer_runtime::sim::{Cluster, secs};
/// # #[derive(Default)]
/// # struct State;
/// # #[glomer_runtime::handler("echo", reply = "echo")]
/// # fn echo(_: &State, echo: u64) -> u64 { echo }
/// let run = || {
///     let mut cluster = Cluster::<State>::new(3).seed(7).record_all().start();
///     cluster.set_loss(0.5);
///     cluster.run_for(secs(10));
///     cluster.journal().to_string()
/// };
/// assert_eq!(run(), run());
/// ```
///
/// Unless the cluster was made with [`record_all`](super::Builder::record_all), only the
/// last events are kept, up to a thousand of them and 4 MiB of lines.
#[derive(Clone, Copy)]
pub struct Journal<'a> {
    pub(super) recorder: &'a Recorder,
    pub(super) network: &'a Network<Packet>,
}

impl fmt::Debug for Journal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// When it happened.
    pub at: Duration,
    /// What happened.
    pub what: What<'a>,
}

/// What an event was.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What<'a> {
    /// A message was sent.
    Sent {
        /// Its number.
        id: MessageId,
        /// Who sent it.
        src: &'a str,
        /// Whom it was sent to.
        dest: &'a str,
        /// The message.
        line: Cow<'a, str>,
    },
    /// A message came to its end.
    Arrived {
        /// Its number.
        id: MessageId,
        /// Who sent it.
        src: &'a str,
        /// Whom it was sent to.
        dest: &'a str,
        /// The message.
        line: Cow<'a, str>,
        /// Whether it was delivered.
        fate: Fate,
    },
    /// A line was given to a node past the network.
    Injected {
        /// The node.
        dest: &'a str,
        /// The line, which may be anything.
        line: Cow<'a, str>,
    },
    /// A node told something to people.
    Logged {
        /// The node.
        node: &'a str,
        /// What it told.
        record: &'a Record,
    },
    /// The test did something to the network or to a node.
    Fault(&'a str),
}

impl<'a> Journal<'a> {
    /// The events that are kept.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        let network = self.network;
        self.recorder.events.iter().map(move |(at, event)| Entry {
            at: *at,
            what: event.view(network),
        })
    }

    /// How many events there were before those that are kept.
    pub fn forgotten(&self) -> u64 {
        self.recorder.forgotten
    }

    /// The last events as a picture for people, with a lane for everyone who takes part, as
    /// long as they are few: `●` sends, `▶` and `◀` receive, `✗` does not receive.
    pub fn trace(&self, last: usize) -> String {
        let events = &self.recorder.events;
        let first = events.len().saturating_sub(last);
        let shown = || events.iter().skip(first);
        let lanes = Lanes::of(shown().flat_map(|(_, event)| event.parties()), self.network);
        let mut out = String::new();
        let before = self.recorder.forgotten + first as u64;
        if before > 0 {
            let _ = writeln!(out, "({before} earlier events)");
        }
        lanes.header(&mut out);
        for (at, event) in shown() {
            let _ = write!(out, "{:>12.6} ", at.as_secs_f64());
            lanes.draw(event, &mut out);
            event.describe(self.network, &mut out);
            out.push('\n');
        }
        out
    }
}

impl fmt::Display for Journal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forgotten() > 0 {
            writeln!(f, "{}", json!({"forgotten": self.forgotten()}))?;
        }
        for Entry { at, what } in self.entries() {
            write!(f, "{{\"at\":{}", at.as_nanos())?;
            match what {
                What::Sent { id, line, .. } => write!(f, ",\"sent\":{id},\"message\":{line}")?,
                What::Arrived { id, line, fate, .. } => {
                    let fate = describe(fate);
                    write!(f, ",\"{fate}\":{id},\"message\":{line}")?;
                }
                What::Injected { dest, line } => {
                    write!(f, ",\"injected\":{},\"into\":{}", json!(line), json!(dest))?;
                }
                What::Logged { node, record } => {
                    let text = json!(record.text);
                    write!(f, ",\"{}\":{text},\"by\":{}", record.level, json!(node))?;
                }
                What::Fault(text) => write!(f, ",\"fault\":{}", json!(text))?,
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}

fn describe(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "delivered",
        Fate::Dropped(Dropped::Loss) => "lost",
        Fate::Dropped(Dropped::Partition) => "partitioned",
        Fate::Dropped(Dropped::Down) => "down",
    }
}

/// Keeps events, with addresses and shared lines instead of names and texts.
#[derive(Default)]
pub(super) struct Recorder {
    events: VecDeque<(Duration, Event)>,
    bytes: usize,
    forgotten: u64,
    all: bool,
}

pub(super) enum Event {
    Sent {
        id: MessageId,
        src: Address,
        dest: Address,
        packet: Packet,
    },
    Arrived {
        id: MessageId,
        src: Address,
        dest: Address,
        packet: Packet,
        fate: Fate,
    },
    Injected {
        dest: Address,
        packet: Packet,
    },
    Logged {
        node: Address,
        record: Record,
    },
    Fault(String),
}

impl Recorder {
    /// Keeps all events, or the last ones.
    pub(super) fn new(all: bool) -> Recorder {
        Recorder {
            all,
            ..Recorder::default()
        }
    }

    pub(super) fn record(&mut self, at: Duration, event: Event) {
        if !self.all {
            self.bytes += event.bytes();
            while self.events.len() >= KEPT_EVENTS || self.bytes > KEPT_BYTES {
                let Some((_, oldest)) = self.events.pop_front() else {
                    break;
                };
                self.bytes -= oldest.bytes();
                self.forgotten += 1;
            }
        }
        self.events.push_back((at, event));
    }

    /// How many events there were.
    pub(super) fn count(&self) -> u64 {
        self.forgotten + self.events.len() as u64
    }
}

impl Event {
    fn bytes(&self) -> usize {
        match self {
            Event::Sent { packet, .. }
            | Event::Arrived { packet, .. }
            | Event::Injected { packet, .. } => packet.len(),
            Event::Logged { record, .. } => record.text.len(),
            Event::Fault(text) => text.len(),
        }
    }

    fn view<'a>(&'a self, network: &'a Network<Packet>) -> What<'a> {
        let line = |packet: &'a Packet| String::from_utf8_lossy(packet.line());
        match self {
            Event::Sent {
                id,
                src,
                dest,
                packet,
            } => What::Sent {
                id: *id,
                src: network.name(*src),
                dest: network.name(*dest),
                line: line(packet),
            },
            Event::Arrived {
                id,
                src,
                dest,
                packet,
                fate,
            } => What::Arrived {
                id: *id,
                src: network.name(*src),
                dest: network.name(*dest),
                line: line(packet),
                fate: *fate,
            },
            Event::Injected { dest, packet } => What::Injected {
                dest: network.name(*dest),
                line: line(packet),
            },
            Event::Logged { node, record } => What::Logged {
                node: network.name(*node),
                record,
            },
            Event::Fault(text) => What::Fault(text),
        }
    }

    /// Who takes part.
    fn parties(&self) -> impl Iterator<Item = Address> + use<> {
        let (first, second) = match self {
            Event::Sent { src, dest, .. } | Event::Arrived { src, dest, .. } => {
                (Some(*src), Some(*dest))
            }
            Event::Injected { dest, .. } => (Some(*dest), None),
            Event::Logged { node, .. } => (Some(*node), None),
            Event::Fault(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Says in words what happened.
    fn describe(&self, network: &Network<Packet>, out: &mut String) {
        let _ = match self.view(network) {
            What::Sent {
                id,
                src,
                dest,
                line,
            } => {
                let body = body_text(&line).unwrap_or(&line);
                write!(out, "{src} → {dest} #{id} {}", shortened(body))
            }
            What::Arrived {
                id,
                src,
                dest,
                fate,
                ..
            } => write!(out, "{src} → {dest} #{id} {}", describe(fate)),
            What::Injected { dest, line } => {
                write!(out, "{dest} is given {}", shortened(&line))
            }
            What::Logged { node, record } => {
                write!(out, "{node} {}: {}", record.level, shortened(&record.text))
            }
            What::Fault(text) => write!(out, "== {text} =="),
        };
    }
}

/// A text on one line that is not too long.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 120;
    let mut short = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == LIMIT {
            let _ = write!(short, "… ({} bytes)", text.len());
            break;
        }
        if char.is_control() {
            short.extend(char.escape_default())
        } else {
            short.push(char)
        }
    }
    short
}

/// The vertical lines of a picture, one for each party; none when they are too many.
struct Lanes {
    /// Each party with its name and the column of its line.
    lanes: Vec<(Address, String, usize)>,
    width: usize,
}

const MOST_LANES: usize = 12;

impl Lanes {
    fn of(parties: impl Iterator<Item = Address>, network: &Network<Packet>) -> Lanes {
        let parties: BTreeSet<Address> = parties.collect();
        let mut width = 0;
        let mut lanes = Vec::new();
        if parties.len() <= MOST_LANES {
            for address in parties {
                let name = network.name(address).to_owned();
                let column = width;
                width += (name.chars().count() + 1).max(4);
                lanes.push((address, name, column));
            }
        }
        Lanes { lanes, width }
    }

    fn column(&self, address: Address) -> Option<usize> {
        let lane = self.lanes.iter().find(|(lane, ..)| *lane == address)?;
        Some(lane.2)
    }

    fn header(&self, out: &mut String) {
        let _ = write!(out, "{:>12} ", "seconds");
        for (i, (_, name, column)) in self.lanes.iter().enumerate() {
            let next = self.lanes.get(i + 1).map_or(self.width, |lane| lane.2);
            let _ = write!(out, "{name:<width$}", width = next - column);
        }
        out.push('\n');
    }

    fn draw(&self, event: &Event, out: &mut String) {
        let mut cells = vec![' '; self.width];
        for (_, _, column) in &self.lanes {
            cells[*column] = '│';
        }
        let mut mark = |address: Address, sign| {
            if let Some(column) = self.column(address) {
                cells[column] = sign;
            }
        };
        match event {
            Event::Sent { src, dest, .. } => {
                if let (Some(from), Some(to)) = (self.column(*src), self.column(*dest)) {
                    for cell in &mut cells[from.min(to)..from.max(to)] {
                        *cell = if *cell == '│' { '┼' } else { '─' };
                    }
                    cells[to] = if from <= to { '▷' } else { '◁' };
                    cells[from] = '●';
                }
            }
            Event::Arrived {
                src, dest, fate, ..
            } => mark(
                *dest,
                match fate {
                    Fate::Delivered if src <= dest => '▶',
                    Fate::Delivered => '◀',
                    Fate::Dropped(_) => '✗',
                },
            ),
            Event::Injected { dest, .. } => mark(*dest, '▼'),
            Event::Logged { node, .. } => mark(*node, '!'),
            Event::Fault(_) => {}
        }
        out.extend(cells);
    }
}
