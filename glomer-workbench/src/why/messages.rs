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

/// Messages are followed for so many events, the first of the run.
const EVENTS: usize = 50_000;
/// An array within an array of no more elements than this is a tuple, whose places have
/// meanings of their own.
const TUPLE: usize = 4;

/// The messages of a run, as far as they are followed.
pub(super) struct Messages<'a> {
    messages: Vec<Message<'a>>,
    faults: &'a [FaultPeriod<'a>],
    /// When the first message of a client had a value.
    born: HashMap<Edn, i64>,
    /// The fields of messages that hold something other than what clients had sent before.
    others: HashSet<String>,
    /// Up to when messages are followed, if not to the end of the run.
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
        let events = journal.events();
        let events = &events[..events.len().min(EVENTS)];
        for event in events {
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
        let is_whole = events.len() as u64 == journal.total();
        let last = events.last().map_or(0, |event| event.time);
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
                    "What became of it is not known: messages are followed for the first \
                     {EVENTS} events of the network, up to {}.",
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
        let last = messages[count - 1].sent;
        let until_last = seconds(last.time);
        match count {
            1 => {}
            2 => text += &format!(", and {} → {node} at {until_last}", last.src),
            _ => text += &format!(", and {} others did until {until_last}", count - 1),
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
                let killed = killed.map(|at| format!(", killed at {},", seconds(at)));
                let text = format!(
                    "{node}{} was down when {{}} came",
                    killed.unwrap_or_default()
                );
                (usize::MAX - 1, text)
            }
        }
    }

    /// That nobody sent it again, as far as messages are followed.
    fn again(&self, node: &str, until: i64) -> String {
        capital(&self.so_far(until, &format!("nobody sent it to {node} again.")))
    }

    /// A sentence about what did not happen, with how far messages are followed.
    fn so_far(&self, until: i64, sentence: &str) -> String {
        match self.ends {
            Some(ends) if ends < until => {
                format!(
                    "up to {}, as far as messages are followed, {sentence}",
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::run::nemesis::{Faults, period};

    /// A journal under construction, in milliseconds.
    #[derive(Default)]
    struct Net(Journal, u64);

    impl Net {
        fn event(&mut self, ms: i64, kind: EventKind, way: (&str, &str), body: &str) {
            let [src, dest, body]: [Arc<str>; 3] = [way.0.into(), way.1.into(), body.into()];
            let time = ms * 1_000_000;
            self.0.record(time, kind, self.1, &src, &dest, &body);
        }

        /// A message, and when what became of it; `None` if nothing did.
        fn message(
            &mut self,
            sent: i64,
            way: (&str, &str),
            body: &str,
            end: impl Into<Option<(i64, EventKind)>>,
        ) {
            self.1 += 1;
            self.event(sent, EventKind::Send, way, body);
            if let Some((at, kind)) = end.into() {
                self.event(at, kind, way, body);
            }
        }

        /// A client of `n0` adds 7.
        fn adding() -> Net {
            let mut net = Net::default();
            let add = r#"{"type":"broadcast","message":7,"msg_id":3}"#;
            net.message(10, ("c4", "n0"), add, (10, EventKind::Recv));
            net
        }

        /// What became of 7 on its way to n1, by the time of 1 s.
        fn told(&self, history: &str) -> Option<String> {
            let history: History = history.parse().unwrap();
            let faults = Faults::built_in();
            let periods = period::periods(&history, &faults);
            let what = Carried {
                value: 7.into(),
                node: "n1".to_owned(),
                until: Duration::from_secs(1),
            };
            Messages::new(&self.0, &periods).tell(&what).0
        }
    }

    const SPREAD: &str = r#"{"type":"spread","seq":9,"values":[3,7]}"#;
    const TO_N1: (&str, &str) = ("n0", "n1");
    const KILLED: &str = r#"
        {:time 400000000, :type :info, :process :nemesis, :f :kill, :value :one}
        {:time 400000000, :type :info, :process :nemesis, :f :kill, :value {"n1" :killed}}"#;

    #[test]
    fn a_message_that_is_still_on_its_way_is_told() {
        let mut net = Net::adding();
        let other = r#"{"type":"broadcast","message":3,"msg_id":4}"#;
        net.message(11, ("c5", "n0"), other, (11, EventKind::Recv));
        net.message(900, TO_N1, SPREAD, (1_100, EventKind::Recv));
        assert_eq!(
            net.told("").as_deref(),
            Some(
                "n0 → n1 carried it at 0.900 s; it had not arrived by 1.000 s. Nobody sent it to \
                 n1 again."
            )
        );
    }

    #[test]
    fn several_messages_are_told_by_what_became_of_them() {
        let mut net = Net::adding();
        let spread = r#"{"type":"spread","values":[7]}"#;
        net.message(20, TO_N1, spread, (30, EventKind::Drop(Dropped::Loss)));
        net.message(
            40,
            ("n2", "n1"),
            spread,
            (50, EventKind::Drop(Dropped::Partition)),
        );
        net.message(500, TO_N1, spread, (510, EventKind::Drop(Dropped::Down)));
        assert_eq!(
            net.told(KILLED).as_deref(),
            Some(
                "n0 → n1 carried it at 0.020 s, and 2 others did until 0.500 s; a partition \
                 dropped 1 of them, the network lost 1 of them, n1, killed at 0.400 s, was down \
                 when 1 of them came. Nobody sent it to n1 again."
            )
        );
    }

    #[test]
    fn a_value_that_others_got_and_this_node_was_never_sent_is_told() {
        let mut net = Net::adding();
        let spread = r#"{"type":"spread","values":{"7":true}}"#;
        net.message(20, ("n0", "n2"), spread, (30, EventKind::Recv));
        assert_eq!(
            net.told("").as_deref(),
            Some("n2 got it; nobody sent it to n1.")
        );
    }

    #[test]
    fn a_count_is_not_taken_for_a_value() {
        let mut net = Net::adding();
        // The field `seq` held 6 before anybody had sent a 6.
        let counted = r#"{"type":"ping","seq":6}"#;
        net.message(20, TO_N1, counted, (21, EventKind::Recv));
        let counted = r#"{"type":"ping","seq":7}"#;
        net.message(30, TO_N1, counted, (31, EventKind::Recv));
        assert_eq!(
            net.told("").as_deref(),
            Some("n0 sent it to no other node.")
        );
    }

    #[test]
    fn what_arrived_and_is_not_there_is_told() {
        let mut net = Net::adding();
        let spread = r#"{"type":"spread","values":[7]}"#;
        net.message(20, TO_N1, spread, (30, EventKind::Recv));
        assert_eq!(
            net.told("").as_deref(),
            Some(
                "n0 → n1 carried it, and it arrived at 0.030 s; n1 does not have it all the same."
            )
        );
    }

    /// As when it is in a bitmap.
    #[test]
    fn nothing_is_told_of_a_value_in_a_form_of_the_nodes_own() {
        let mut net = Net::adding();
        let spread = r#"{"type":"spread","values":"gA=="}"#;
        net.message(20, ("n0", "n2"), spread, (30, EventKind::Recv));
        let read = r#"{"type":"read_ok","messages":[7],"in_reply_to":8}"#;
        net.message(40, ("n2", "c9"), read, (40, EventKind::Recv));
        assert_eq!(net.told(""), None);
    }

    #[test]
    fn the_end_of_the_journal_is_told_where_it_matters() {
        let mut net = Net::adding();
        let spread = r#"{"type":"spread","values":[7]}"#;
        net.message(20, TO_N1, spread, (30, EventKind::Drop(Dropped::Loss)));
        for _ in 0..=EVENTS {
            net.message(500, ("n2", "n0"), r#"{"type":"ping"}"#, None);
        }
        assert_eq!(
            net.told("").as_deref(),
            Some(
                "n0 → n1 carried it at 0.020 s; the network lost it. Up to 0.500 s, as far \
                 as messages are followed, nobody sent it to n1 again."
            )
        );
        let mut late = Net::default();
        for _ in 0..=EVENTS {
            late.message(500, ("n2", "n0"), r#"{"type":"ping"}"#, None);
        }
        assert_eq!(
            late.told("").as_deref(),
            Some(
                "What became of it is not known: messages are followed for the first 50000 \
                 events of the network, up to 0.500 s."
            )
        );
    }
}
