//! What became of the messages that carried a value, from the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use glomer_runtime::sim::Dropped;

use crate::edn::Edn;
use crate::history::typed::Cast;
use crate::history::{History, Process};
use crate::run::body::KeptBody;
use crate::run::journal::{EventKind, Journal, NetEvent, involves_client};
use crate::run::nemesis::period::FaultPeriod;
use crate::verdict::{Carried, capital, listed};

/// An array within an array of no more elements than this is a tuple, whose places have
/// meanings of their own.
const TUPLE: usize = 4;

/// The messages of a run, as far as the journal has them.
pub(super) struct Messages<'a> {
    messages: Vec<Message<'a>>,
    faults: &'a [FaultPeriod<'a>],
    /// When the first message of a client had a value.
    born: HashMap<Edn, i64>,
    /// The fields of messages that hold something other than what clients had sent before.
    others: HashSet<String>,
    /// When the journal ends, if not with the run.
    ends: Option<i64>,
}

struct Message<'a> {
    sent: &'a NetEvent,
    body: KeptBody,
    /// Those who got it, and when; a duplicate arrives twice.
    received: Vec<i64>,
    dropped: Vec<(i64, Dropped)>,
}

impl Message<'_> {
    fn is_clients(&self) -> bool {
        involves_client(&self.sent.src, &self.sent.dest)
    }

    fn is_request(&self) -> bool {
        self.sent.src.starts_with('c')
    }

    /// Calls this with each value in it and the field that holds it.
    fn values(&self, mut visit: impl FnMut(&str, &Edn)) {
        let mut path = self.body.kind.clone();
        for (name, value) in &self.body.fields {
            if name != "msg_id" && name != "in_reply_to" {
                within(&mut path, name, value, false, &mut visit);
            }
        }
    }
}

fn within(
    path: &mut String,
    step: &str,
    value: &Edn,
    in_array: bool,
    visit: &mut impl FnMut(&str, &Edn),
) {
    let length = path.len();
    path.push('.');
    path.push_str(step);
    match value {
        Edn::Vector(items) => {
            let is_tuple = in_array && items.len() <= TUPLE;
            for (place, item) in items.iter().enumerate() {
                let place = if is_tuple {
                    place.to_string()
                } else {
                    String::new()
                };
                within(path, &place, item, true, visit);
            }
        }
        Edn::Map(entries) => {
            for (key, value) in entries {
                let key = key.name().unwrap_or_default();
                match key.parse() {
                    // Keys that are numbers are values as much as others are.
                    Ok(number) => {
                        visit(path, &Edn::Int(number));
                        within(path, "", value, false, visit);
                    }
                    Err(_) => within(path, key, value, false, visit),
                }
            }
        }
        Edn::Int(_) | Edn::BigInt(_) | Edn::String(_) => visit(path, value),
        _ => {}
    }
    path.truncate(length);
}

impl<'a> Messages<'a> {
    pub(super) fn new(journal: &'a Journal, faults: &'a [FaultPeriod<'a>]) -> Self {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut messages: Vec<Message<'a>> = Vec::new();
        for event in journal.events() {
            if event.kind == EventKind::Send {
                places.insert(event.id, messages.len());
                messages.push(Message {
                    sent: event,
                    body: KeptBody::parse(&event.body),
                    received: Vec::new(),
                    dropped: Vec::new(),
                });
                continue;
            }
            let Some(message) = places.get(&event.id).map(|place| &mut messages[*place]) else {
                continue;
            };
            match event.kind {
                EventKind::Drop(why) => message.dropped.push((event.time, why)),
                EventKind::Recv | EventKind::Send => message.received.push(event.time),
            }
        }
        let mut born: HashMap<Edn, i64> = HashMap::new();
        for message in messages.iter().filter(|message| message.is_request()) {
            message.values(|_, value| {
                if !born.contains_key(value) {
                    born.insert(value.clone(), message.sent.time);
                }
            });
        }
        let mut others = HashSet::new();
        for message in messages.iter().filter(|message| !message.is_clients()) {
            message.values(|field, value| {
                let begun = born
                    .get(value)
                    .is_some_and(|born| *born <= message.sent.time);
                if !begun && !others.contains(field) {
                    others.insert(field.to_owned());
                }
            });
        }
        let is_whole = journal.events().len() < Journal::KEPT;
        let last = journal.events().last().map_or(0, |event| event.time);
        Messages {
            messages,
            faults,
            born,
            others,
            ends: (!is_whole).then_some(last),
        }
    }

    /// Whether a message among nodes and services carries a value: a field has it that holds
    /// nothing but what clients had sent before, as a count or a clock would not.
    fn carries(&self, message: &Message<'_>, wanted: &Edn) -> bool {
        let mut found = false;
        message.values(|field, value| {
            found |= value == wanted && !self.others.contains(field);
        });
        found
    }

    fn has(message: &Message<'_>, wanted: &Edn) -> bool {
        let mut found = false;
        message.values(|_, value| found |= value == wanted);
        found
    }

    /// What became of a value on its way to a node that does not have it, in a line, if that
    /// is known; and the numbers of the messages that carried it.
    pub(super) fn tell(&self, what: &Carried) -> (Option<String>, Vec<u64>) {
        let until = i64::try_from(what.until.as_nanos()).unwrap_or(i64::MAX);
        let before = || self.messages.iter().filter(|it| it.sent.time <= until);
        let requests: Vec<&Message<'_>> = before()
            .filter(|it| it.is_request() && Self::has(it, &what.value))
            .collect();
        let carrying: Vec<&Message<'_>> = before()
            .filter(|it| !it.is_clients() && self.carries(it, &what.value))
            .collect();
        let asked: BTreeSet<&str> = requests.iter().map(|it| &*it.sent.dest).collect();
        let ids = requests
            .iter()
            .chain(&carrying)
            .map(|it| it.sent.id)
            .collect();
        if !self.born.contains_key(&what.value) {
            let text = self.ends.map(|ends| {
                format!(
                    "What became of it is not known: the journal has the first {} events of the \
                     network and ends at {}.",
                    Journal::KEPT,
                    seconds(ends)
                )
            });
            return (text, ids);
        }
        if carrying.is_empty() {
            // It may travel in a form that only the nodes understand.
            let elsewhere = before().any(|it| {
                let from = &*it.sent.src;
                it.is_clients()
                    && !it.is_request()
                    && !asked.contains(from)
                    && Self::has(it, &what.value)
            });
            if elsewhere {
                return (None, ids);
            }
        }
        let text = self.way(what, until, &asked, &requests, &carrying);
        (text, ids)
    }

    fn way(
        &self,
        what: &Carried,
        until: i64,
        asked: &BTreeSet<&str>,
        requests: &[&Message<'_>],
        carrying: &[&Message<'_>],
    ) -> Option<String> {
        let node = what.node.as_str();
        let came_by = |message: &Message<'_>| {
            let mut times = message.received.iter();
            times.find(|time| **time <= until).copied()
        };
        let to_node: Vec<&Message<'_>> = carrying
            .iter()
            .copied()
            .filter(|it| &*it.sent.dest == node)
            .collect();
        let own = requests.iter().copied().filter(|it| &*it.sent.dest == node);
        let arrived = to_node.iter().copied().chain(own);
        let arrived = arrived
            .filter_map(|it| Some((came_by(it)?, it)))
            .max_by_key(|it| it.0);
        let Some((came, message)) = arrived else {
            return Some(if to_node.is_empty() {
                self.never_sent(node, until, asked, carrying)
            } else {
                format!(
                    "{} {}",
                    self.attempts(node, until, &to_node),
                    self.again(node, until)
                )
            });
        };
        let later: Vec<&Message<'_>> = to_node
            .iter()
            .copied()
            .filter(|it| it.sent.time > came)
            .collect();
        let killed = self.killed(node, came, until);
        let from = &message.sent.src;
        match killed {
            None if message.is_request() => None,
            None => Some(format!(
                "{from} → {node} carried it, and it arrived at {}; {node} does not have it all \
                 the same.",
                seconds(came)
            )),
            Some(killed) => {
                let brought = if message.is_request() {
                    String::new()
                } else {
                    format!("{from} → {node} brought it at {}. ", seconds(came))
                };
                let killed = format!("{brought}{node} was killed at {}.", seconds(killed));
                if later.is_empty() {
                    Some(format!("{killed} {}", self.again(node, until)))
                } else {
                    let attempts = self.attempts(node, until, &later);
                    Some(format!("{killed} {attempts} {}", self.again(node, until)))
                }
            }
        }
    }

    /// That nothing carried it to the node.
    fn never_sent(
        &self,
        node: &str,
        until: i64,
        asked: &BTreeSet<&str>,
        carrying: &[&Message<'_>],
    ) -> String {
        if carrying.is_empty() {
            let first = asked.iter().next().copied().unwrap_or("nobody");
            let mut text = self.so_far(until, &format!("{first} sent it to no other node."));
            let lost = asked.iter().find_map(|node| {
                let killed = self.killed(node, i64::MIN, until)?;
                Some(format!(" {node} was killed at {}.", seconds(killed)))
            });
            text.extend(lost);
            return text;
        }
        let got: BTreeSet<&str> = carrying
            .iter()
            .filter(|it| !it.received.is_empty())
            .map(|it| &*it.sent.dest)
            .collect();
        let nobody = self.so_far(until, &format!("nobody sent it to {node}."));
        if got.is_empty() {
            format!("No other node got it, either. {}", capital(&nobody))
        } else {
            let got: Vec<&str> = got.into_iter().collect();
            format!("{} got it; {nobody}", listed(&got))
        }
    }

    /// What became of messages to the node, none of which arrived.
    fn attempts(&self, node: &str, until: i64, messages: &[&Message<'_>]) -> String {
        let first = messages[0].sent;
        let mut text = format!(
            "{} → {node} carried it at {}",
            first.src,
            seconds(first.time)
        );
        let count = messages.len();
        if count > 1 {
            let last = messages[count - 1].sent;
            let more = count - 1;
            let others = if more == 1 {
                "another did"
            } else {
                "others did"
            };
            let number = if more == 1 {
                String::new()
            } else {
                format!("{more} ")
            };
            text = format!("{text}, and {number}{others} until {}", seconds(last.time));
        }
        let mut fates: BTreeMap<usize, (String, usize)> = BTreeMap::new();
        for message in messages {
            let (rank, fate) = self.fate(node, until, message);
            let entry = fates.entry(rank).or_insert((fate, 0));
            entry.1 += 1;
        }
        let told: Vec<String> = fates
            .into_values()
            .map(|(fate, times)| {
                let what = match (count, times) {
                    (1, _) => "it".to_owned(),
                    (2, 2) => "both".to_owned(),
                    (all, times) if all == times => "all of them".to_owned(),
                    (_, times) => format!("{times} of them"),
                };
                fate.replace("{}", &what)
            })
            .collect();
        format!("{text}; {}.", told.join(", "))
    }

    /// What became of a message that did not arrive, with `{}` for the message, and its place
    /// among those that are told.
    fn fate(&self, node: &str, until: i64, message: &Message<'_>) -> (usize, String) {
        let ended = message.dropped.iter().find(|(time, _)| *time <= until);
        let Some((time, why)) = ended else {
            let text = format!("{{}} had not arrived by {}", seconds(until));
            return (usize::MAX, text);
        };
        let src = &*message.sent.src;
        let at_work = |of: &dyn Fn(&FaultPeriod<'_>) -> bool, when: i64| {
            let periods = self.faults.iter();
            periods
                .enumerate()
                .find(|(_, fault)| fault.covers(when) && of(fault))
        };
        match why {
            Dropped::Partition => match at_work(&|fault| fault.parts(src, node), *time) {
                Some((place, fault)) => (place, format!("{} dropped {{}}", fault.words())),
                None => (usize::MAX - 3, "a partition dropped {}".to_owned()),
            },
            Dropped::Loss => match at_work(&|fault| fault.kind == "loss", message.sent.time) {
                Some((place, fault)) => {
                    (place, format!("the network lost {{}} in {}", fault.words()))
                }
                None => (usize::MAX - 2, "the network lost {}".to_owned()),
            },
            Dropped::Down => {
                let killed = self.killed(node, i64::MIN, *time);
                let killed = killed.map(|at| format!(", killed at {}", seconds(at)));
                let text = format!(
                    "{node} was down{} when {{}} came",
                    killed.unwrap_or_default()
                );
                (usize::MAX - 1, text)
            }
        }
    }

    /// That nobody sent it again, as far as the journal tells.
    fn again(&self, node: &str, until: i64) -> String {
        capital(&self.so_far(until, &format!("nobody sent it to {node} again.")))
    }

    /// A sentence about what did not happen, with how far the journal tells.
    fn so_far(&self, until: i64, sentence: &str) -> String {
        match self.ends {
            Some(ends) if ends < until => {
                format!(
                    "up to {}, where the journal ends, {sentence}",
                    seconds(ends)
                )
            }
            _ => sentence.to_owned(),
        }
    }

    /// When a node was last killed between two moments.
    fn killed(&self, node: &str, from: i64, until: i64) -> Option<i64> {
        let kills = self.faults.iter().filter(|fault| fault.killed(node));
        let times = kills.map(|fault| fault.start);
        times.filter(|time| (from..=until).contains(time)).max()
    }

    /// The messages of the client that performed the operation with this index.
    pub(super) fn of_operation(&self, history: &History, cast: &Cast, index: usize) -> Vec<u64> {
        let ops = &history.0;
        let Ok(place) = ops.binary_search_by_key(&index, |op| op.index) else {
            return Vec::new();
        };
        let begun = &ops[place];
        let Process::Client(process) = begun.process else {
            return Vec::new();
        };
        let Some(node) = cast.node(process) else {
            return Vec::new();
        };
        let ended = ops[place + 1..]
            .iter()
            .find(|op| op.process == begun.process);
        let ended = ended.map_or(i64::MAX, |op| op.time);
        let mut requests = self.messages.iter().filter(|message| {
            message.is_request() && message.sent.time == begun.time && &*message.sent.dest == node
        });
        let Some(client) = requests.next().map(|message| &message.sent.src) else {
            return Vec::new();
        };
        let own = self.messages.iter().filter(|message| {
            let sent = message.sent;
            (sent.src == *client || sent.dest == *client)
                && (begun.time..=ended).contains(&sent.time)
        });
        own.map(|message| message.sent.id).collect()
    }
}

fn seconds(ns: i64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}
