//! What is wrong with logs, in words: the first case of each type of error.

use std::collections::{BTreeMap, HashMap};

use crate::edn::Edn;
use crate::history::{Excerpt, OpType};
use crate::verdict::{Reason, entry_index, listed};

use super::transaction::{Event, Id, Message, Names, transactions};

/// The types of errors, from the most telling.
const ORDER: [&str; 16] = [
    "lost-write",
    "unwritten-read",
    "G1a",
    "precommitted-read",
    "inconsistent-offsets",
    "duplicate",
    "int-nonmonotonic-poll",
    "nonmonotonic-poll",
    "int-poll-skip",
    "poll-skip",
    "int-nonmonotonic-send",
    "nonmonotonic-send",
    "G1c",
    "G1c-realtime",
    "unseen",
    "empty-transaction-graph",
];
/// Of several things of a kind, so many are told.
const TOLD: usize = 4;

/// Why logs are not what they should be. `errors` are as the results show them, and `who` names
/// the node of a process.
pub(super) fn reasons(
    errors: &BTreeMap<&'static str, Edn>,
    events: &[Event<'_>],
    names: &Names<'_>,
    who: &dyn Fn(u64) -> String,
) -> Vec<Reason> {
    let by_end = events.iter().map(|event| (event.at().index, event));
    let words = Words {
        events,
        by_end: by_end.collect(),
        names,
        who,
    };
    let kinds = ORDER
        .iter()
        .filter_map(|kind| Some((*kind, errors.get(kind)?)));
    let reasons = kinds.filter_map(|(kind, found)| match kind {
        "unseen" => words.unseen(found),
        "empty-transaction-graph" => Some(Reason::new(
            "no operation has to do with another (empty-transaction-graph)",
        )),
        _ => {
            let count = found.get("count").and_then(Edn::as_int).unwrap_or(1);
            let cases = found.get("errs")?.as_seq()?;
            // Of those that skip something, the widest is shown last.
            let case = if kind.ends_with("-skip") {
                cases.last()
            } else {
                cases.first()
            };
            let reason = words.reason(kind, case?)?;
            Some(reason.and_others(usize::try_from(count - 1).unwrap_or(0), "case"))
        }
    });
    reasons.collect()
}

struct Words<'a> {
    events: &'a [Event<'a>],
    by_end: HashMap<usize, &'a Event<'a>>,
    names: &'a Names<'a>,
    who: &'a dyn Fn(u64) -> String,
}

impl Words<'_> {
    fn reason(&self, kind: &str, case: &Edn) -> Option<Reason> {
        let shown = |key: &str| Excerpt(case.get(key).unwrap_or(&Edn::Nil)).to_string();
        let message = || format!("message {} of key {}", shown("value"), shown("key"));
        let event = |key: &str| self.event(case.get(key));
        let new = |headline: String| Reason::new(format!("{headline} ({kind})"));
        Some(match kind {
            "lost-write" => {
                let reason = new(format!("{} is lost", message()));
                let reason = self.sent(reason, event("writer"), case);
                let reader = event("max-read").and_then(|reader| {
                    let (_, polled) = of_key(&reader.transaction()?.polls, self.names, case)?;
                    Some((reader, polled.last()?))
                });
                match reader {
                    Some((reader, last)) => self.told(
                        reason,
                        reader,
                        &format!("polled {}, which is behind it,", self.at_offset(last)),
                    ),
                    None => reason,
                }
                .because("No poll ever returned it.", [])
            }
            "unwritten-read" => self.told(
                new(format!("{} was polled and never sent", message())),
                event("reader")?,
                "polled it",
            ),
            "G1a" => {
                let reason = new(format!("{} was polled, though its send failed", message()));
                let reason = self.sent(reason, event("writer"), case);
                self.told(reason, event("reader")?, "polled it")
            }
            "precommitted-read" => self.told(
                new(format!(
                    "{} was polled by the transaction that sent it",
                    message()
                )),
                event("op")?,
                "did both",
            ),
            "inconsistent-offsets" => {
                let reason = new(format!(
                    "offset {} of key {} has several messages",
                    shown("offset"),
                    shown("key")
                ));
                let values = case.get("values").and_then(Edn::as_seq)?;
                values.iter().take(TOLD).fold(reason, |reason, value| {
                    self.seen(reason, case.get("key"), value, case.get("offset"))
                })
            }
            "duplicate" => {
                let reason = new(format!("{} is at several offsets", message()));
                let offsets = case.get("offsets").and_then(Edn::as_seq)?;
                offsets.iter().take(TOLD).fold(reason, |reason, offset| {
                    let value = case.get("value").unwrap_or(&Edn::Nil);
                    self.seen(reason, case.get("key"), value, Some(offset))
                })
            }
            "G1c" | "G1c-realtime" => self.circle(
                new("transactions saw each other in a circle".to_owned()),
                case,
            )?,
            _ => self.gap(kind, case)?,
        })
    }

    /// The event whose entry a figure shows.
    fn event(&self, figure: Option<&Edn>) -> Option<&Event<'_>> {
        self.by_end.get(&entry_index(figure?)?).copied()
    }

    /// That the node of an event did something.
    fn told(&self, reason: Reason, event: &Event<'_>, what: &str) -> Reason {
        let (who, index) = ((self.who)(event.process), event.invoked.index);
        reason.because(
            format!("{who} {what} at {} (operation {index}).", event.at()),
            [index],
        )
    }

    fn at_offset(&self, message: &Message) -> String {
        let value = Excerpt(self.names.value(message.value)).to_string();
        match message.offset {
            Some(offset) => format!("message {value} at offset {offset}"),
            None => format!("message {value}"),
        }
    }

    /// How a message was sent.
    fn sent(&self, reason: Reason, sender: Option<&Event<'_>>, case: &Edn) -> Reason {
        let Some(sender) = sender else {
            return reason;
        };
        let sent = sender
            .transaction()
            .and_then(|it| of_key(&it.sends, self.names, case));
        let offset = sent.and_then(|(_, messages)| {
            let mut messages = messages.iter();
            let own = |it: &&Message| case.get("value") == Some(self.names.value(it.value));
            messages.find(own)?.offset
        });
        let what = match (sender.end, offset) {
            (OpType::Fail, _) => "refused it".to_owned(),
            (OpType::Ok, Some(offset)) => format!("acknowledged it with offset {offset}"),
            (OpType::Ok, None) => "acknowledged it".to_owned(),
            (OpType::Info | OpType::Invoke, _) => "was sent it, to no known end,".to_owned(),
        };
        self.told(reason, sender, &what)
    }

    /// Who first saw a message at an offset.
    fn seen(&self, reason: Reason, key: Option<&Edn>, value: &Edn, offset: Option<&Edn>) -> Reason {
        let wanted = offset.and_then(Edn::as_int);
        let has = |by_key: &[(Id, Vec<Message>)]| {
            let of_key = by_key
                .iter()
                .filter(|(other, _)| key == Some(self.names.value(*other)));
            let mut messages = of_key.flat_map(|(_, messages)| messages);
            messages.any(|it| it.offset == wanted && self.names.value(it.value) == value)
        };
        let first = transactions(self.events).find_map(|(event, transaction)| {
            if has(&transaction.sends) && event.end == OpType::Ok {
                Some((event, "acknowledged"))
            } else {
                has(&transaction.polls).then_some((event, "returned"))
            }
        });
        let offset = wanted
            .map(|offset| format!(" at offset {offset}"))
            .unwrap_or_default();
        match first {
            Some((event, did)) => {
                let what = format!("{did} message {}{offset}", Excerpt(value));
                self.told(reason, event, &what)
            }
            None => reason,
        }
    }

    /// What was polled or sent after what, of a key.
    fn gap(&self, kind: &str, case: &Edn) -> Option<Reason> {
        let polls = kind.ends_with("poll") || kind.ends_with("poll-skip");
        let (did, done) = if polls {
            ("polled", "polls")
        } else {
            ("sent", "sends")
        };
        let key = Excerpt(case.get("key")?).to_string();
        let skips = kind.ends_with("-skip");
        let headline = if skips {
            format!("{done} of key {key} passed messages over ({kind})")
        } else {
            format!("{done} of key {key} went back ({kind})")
        };
        let side = |event: &Event<'_>| -> Option<Vec<Message>> {
            let transaction = event.transaction()?;
            let by_key = if polls {
                &transaction.polls
            } else {
                &transaction.sends
            };
            of_key(by_key, self.names, case).map(|(_, messages)| messages.clone())
        };
        let mut reason = Reason::new(headline);
        if let Some(event) = self.event(case.get("op")) {
            let values: Vec<&Edn> = case.get("values")?.as_seq()?.iter().collect();
            let messages = side(event)?;
            let place = messages.windows(2).position(|pair| {
                [0, 1]
                    .iter()
                    .all(|it| values.get(*it) == Some(&self.names.value(pair[*it].value)))
            })?;
            let pair = [&messages[place], &messages[place + 1]];
            let what = format!(
                "{did} {} and then {}",
                self.at_offset(pair[0]),
                self.at_offset(pair[1])
            );
            reason = self.told(reason, event, &what);
        } else {
            let events = case.get("ops")?.as_seq()?;
            let (before, after) = (self.event(events.first())?, self.event(events.last())?);
            let (last, first) = (side(before)?, side(after)?);
            let last = format!("{did} {}", self.at_offset(last.last()?));
            let first = format!("next {did} {}", self.at_offset(first.first()?));
            reason = self.told(reason, before, &last);
            reason = self.told(reason, after, &first);
        }
        let skipped = case.get("skipped").and_then(Edn::as_seq).unwrap_or(&[]);
        if !skipped.is_empty() {
            let some: Vec<String> = skipped
                .iter()
                .take(TOLD)
                .map(|it| Excerpt(it).to_string())
                .collect();
            let more = skipped.len() - some.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            reason = reason.because(format!("Between them are {}{more}.", some.join(", ")), []);
        }
        Some(reason)
    }

    /// Who must come before whom.
    fn circle(&self, reason: Reason, case: &Edn) -> Option<Reason> {
        let cycle = case.get("cycle")?.as_seq()?;
        let steps = case.get("steps")?.as_seq()?;
        let events: Vec<&Event<'_>> = cycle.iter().filter_map(|it| self.event(Some(it))).collect();
        let names: Vec<String> = events
            .iter()
            .take(steps.len())
            .enumerate()
            .map(|(place, event)| {
                let (who, index) = ((self.who)(event.process), event.invoked.index);
                format!("T{} is operation {index} by {who}", place + 1)
            })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let indices = events
            .iter()
            .take(steps.len())
            .map(|event| event.invoked.index);
        let reason = reason.because(format!("{}.", listed(&names)), indices);
        Some(
            steps
                .iter()
                .enumerate()
                .fold(reason, |reason, (place, step)| {
                    let next = (place + 1) % steps.len();
                    let but = if next == 0 { "But " } else { "" };
                    let (from, to) = (format!("T{}", place + 1), format!("T{}", next + 1));
                    let why = if step.get("type").and_then(Edn::name) == Some("realtime") {
                        let moment = |at: usize| events.get(at);
                        match (moment(place), moment(next)) {
                            (Some(first), Some(then)) => {
                                format!(
                                    "{from} ended at {}, and {to} began at {}",
                                    first.at(),
                                    then.invoked
                                )
                            }
                            _ => "it ended first".to_owned(),
                        }
                    } else {
                        let shown =
                            |key: &str| Excerpt(step.get(key).unwrap_or(&Edn::Nil)).to_string();
                        format!(
                            "{to} polled message {} of key {}, which {from} sent",
                            shown("value"),
                            shown("key")
                        )
                    };
                    reason.because(format!("{but}{from} came before {to}: {why}."), [])
                }),
        )
    }

    /// What no poll returned, by key.
    fn unseen(&self, found: &Edn) -> Option<Reason> {
        let by_key = found.get("messages")?.as_map()?;
        let reason = Reason::new("acknowledged messages are in no poll (unseen)");
        Some(by_key.iter().take(TOLD).fold(reason, |reason, (key, messages)| {
            let count = found.get("unseen").and_then(|it| {
                let mut counts = it.as_map()?.iter();
                counts.find_map(|(other, count)| (other == key).then(|| count.as_int()))?
            });
            let messages = messages.as_seq().unwrap_or(&[]);
            let some: Vec<String> = messages.iter().take(TOLD).map(|it| Excerpt(it).to_string()).collect();
            let more = usize::try_from(count.unwrap_or(0)).unwrap_or(0).saturating_sub(some.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = messages.first().map(|value| self.sender(key, value));
            let text = format!("Of key {}: {}{more}.", Excerpt(key), some.join(", "));
            match first.flatten() {
                Some(sender) => {
                    let (who, index) = ((self.who)(sender.process), sender.invoked.index);
                    let acknowledged = format!(
                        "{text} {who} acknowledged the first of them at {} (operation {index}).",
                        sender.at()
                    );
                    reason.because(acknowledged, [index])
                }
                None => reason.because(text, []),
            }
        }))
    }

    fn sender(&self, key: &Edn, value: &Edn) -> Option<&Event<'_>> {
        let mut sends = transactions(self.events).filter(|(event, _)| event.end == OpType::Ok);
        let (event, _) = sends.find(|(_, transaction)| {
            transaction.sends.iter().any(|(other, messages)| {
                self.names.value(*other) == key
                    && messages
                        .iter()
                        .any(|it| self.names.value(it.value) == value)
            })
        })?;
        Some(event)
    }
}

/// What a transaction did with the key that a case is about.
fn of_key<'e>(
    by_key: &'e [(Id, Vec<Message>)],
    names: &Names<'_>,
    case: &Edn,
) -> Option<&'e (Id, Vec<Message>)> {
    by_key
        .iter()
        .find(|(key, _)| case.get("key") == Some(names.value(*key)))
}
