//! What was found, in words: which transactions, and who must come before whom.

use std::collections::HashMap;

use crate::edn::Edn;
use crate::history::{Excerpt, OpType};
use crate::verdict::{Reason, capital, listed};

use super::answers::Answers;
use super::meaning::meaning;
use super::transactions::{Entry, Mop, Transaction};

/// Anomalies, from the most telling. Circles come last, and of these the ones that say most.
const ORDER: [&str; 16] = [
    "unwritten-read",
    "duplicate-elements",
    "incompatible-order",
    "cyclic-versions",
    "internal",
    "future-read",
    "G1a",
    "dirty-update",
    "G1b",
    "lost-update",
    "G0",
    "G1c",
    "G-single",
    "G-nonadjacent",
    "G2",
    "cycle",
];
/// Of so many transactions at most it is told what they did.
const SHOWN: usize = 3;
/// Of a list that was read, so many elements are shown.
const ELEMENTS: usize = 6;

/// The first case of an anomaly. Transactions go by the index of their end, as in `T17`.
pub(super) struct Case {
    /// The name of the anomaly.
    pub(super) kind: String,
    /// How many cases there are.
    pub(super) count: usize,
    pub(super) what: What,
}

pub(super) enum What {
    /// Something that needs no circle, and the ends of the transactions that it names.
    Said(String, Vec<usize>),
    /// A circle.
    Steps(Vec<Step>),
    /// Two reads of a key, neither of which can have come before the other.
    Reads(Edn, Vec<Edn>),
}

/// A transaction that comes before another, by the indices of their ends.
pub(super) struct Step {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) relation: String,
    pub(super) why: String,
}

/// The place of an anomaly among all.
pub(super) fn rank(kind: &str) -> (usize, usize) {
    let place = ORDER.iter().position(|name| kind.starts_with(name));
    (place.unwrap_or(ORDER.len()), kind.len())
}

/// A case in words; `who` names the node of a process.
pub(super) fn reason(case: &Case, answers: &Answers<'_>, who: &dyn Fn(u64) -> String) -> Reason {
    let headline = match meaning(&case.kind) {
        Some(meaning) => format!("{}: {meaning}", case.kind),
        None => case.kind.clone(),
    };
    let names = Names::of(answers, who);
    let reason = Reason::new(headline);
    let reason = match &case.what {
        What::Said(text, ends) => {
            let reason = names.introduce(reason, ends);
            reason.because(format!("{}.", capital(&names.rename(text, ends))), [])
        }
        What::Steps(steps) => {
            let ends: Vec<usize> = steps.iter().map(|step| step.from).collect();
            let reason = names.introduce(reason, &ends);
            steps
                .iter()
                .enumerate()
                .fold(reason, |reason, (number, step)| {
                    let but = if number + 1 == steps.len() {
                        "But "
                    } else {
                        ""
                    };
                    let (from, to) = (names.name(step.from, &ends), names.name(step.to, &ends));
                    let why = match step.relation.as_str() {
                        "realtime" => names.ended_before(step, &ends),
                        _ => names.rename(&step.why, &ends),
                    };
                    reason.because(format!("{but}{from} came before {to}: {why}."), [])
                })
        }
        What::Reads(key, values) => names.reads(reason, key, values),
    };
    reason.and_others(case.count - 1, "case")
}

/// Who is who among the transactions.
struct Names<'a> {
    answers: &'a Answers<'a>,
    by_end: HashMap<usize, &'a Transaction>,
    who: &'a dyn Fn(u64) -> String,
}

impl<'a> Names<'a> {
    fn of(answers: &'a Answers<'a>, who: &'a dyn Fn(u64) -> String) -> Self {
        let ends = answers.transactions().iter();
        let by_end = ends.filter_map(|it| Some((it.completion.as_ref()?.at.index, it)));
        Names {
            answers,
            by_end: by_end.collect(),
            who,
        }
    }

    /// `T1` for the first of these.
    fn name(&self, end: usize, ends: &[usize]) -> String {
        let place = ends.iter().position(|other| *other == end);
        place.map_or_else(|| format!("T{end}"), |place| format!("T{}", place + 1))
    }

    /// The same for each `T17` in a text.
    fn rename(&self, text: &str, ends: &[usize]) -> String {
        let mut renamed = String::new();
        let mut before = ' ';
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let digits = rest[c.len_utf8()..].bytes();
            let digits = digits.take_while(u8::is_ascii_digit).count();
            let end = rest.get(1..=digits).and_then(|digits| digits.parse().ok());
            match end {
                Some(end) if c == 'T' && !before.is_alphanumeric() && ends.contains(&end) => {
                    renamed += &self.name(end, ends);
                    rest = &rest[1 + digits..];
                }
                _ => {
                    renamed.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
            before = c;
        }
        renamed
    }

    /// Says who the transactions are, and what they did if they are few.
    fn introduce(&self, reason: Reason, ends: &[usize]) -> Reason {
        let told = |end: usize| {
            let transaction = self.by_end.get(&end)?;
            let done = transaction.completion.as_ref()?;
            let (from, index) = (transaction.invocation.at, transaction.invocation.at.index);
            let failed = match done.kind {
                OpType::Fail => ", failed",
                OpType::Info => ", of unknown outcome",
                OpType::Ok | OpType::Invoke => "",
            };
            let text = format!(
                "{} is the transaction of {} from {from} to {} (operation {index}{failed})",
                self.name(end, ends),
                (self.who)(done.process),
                done.at
            );
            Some((text, self.mops(done), index))
        };
        let told: Vec<(String, String, usize)> = ends.iter().copied().filter_map(told).collect();
        if told.len() <= SHOWN {
            return told
                .into_iter()
                .fold(reason, |reason, (text, mops, index)| {
                    reason.because(format!("{text}: {mops}."), [index])
                });
        }
        let texts: Vec<&str> = told.iter().map(|(text, ..)| text.as_str()).collect();
        let indices = told.iter().map(|(.., index)| *index);
        reason.because(format!("{}.", listed(&texts)), indices)
    }

    fn mops(&self, entry: &Entry) -> String {
        let shown = entry.mops.iter().map(
            |Mop {
                 is_write,
                 key,
                 value,
             }| {
                let f = if *is_write { self.answers.write } else { "r" };
                format!("{f} {} {}", Excerpt(key), end_of(value))
            },
        );
        shown.collect::<Vec<String>>().join(", ")
    }

    fn ended_before(&self, step: &Step, ends: &[usize]) -> String {
        let (from, to) = (self.name(step.from, ends), self.name(step.to, ends));
        let moments = (self.by_end.get(&step.from), self.by_end.get(&step.to));
        match moments {
            (Some(first), Some(then)) => {
                let end = first.completion.as_ref().map(|end| end.at.to_string());
                let end = end.unwrap_or_default();
                format!(
                    "{from} ended at {end}, and {to} began at {}",
                    then.invocation.at
                )
            }
            _ => self.rename(&step.why, ends),
        }
    }

    /// Who read these.
    fn reads(&self, reason: Reason, key: &Edn, values: &[Edn]) -> Reason {
        let found = values.iter().filter_map(|value| {
            let mut oks = self.answers.oks();
            let ok = oks.find(|ok| ok.reads().any(|mop| mop.key == *key && mop.value == *value))?;
            let transaction = self.by_end.get(&ok.at.index)?;
            let index = transaction.invocation.at.index;
            let text = format!(
                "{} read key {} as {} at {} (operation {index}).",
                (self.who)(ok.process),
                Excerpt(key),
                Excerpt(value),
                ok.at
            );
            Some((text, index))
        });
        found
            .fold(reason, |reason, (text, index)| {
                reason.because(text, [index])
            })
            .because("Neither is the beginning of the other.", [])
    }
}

/// A value, of a long list only the end.
fn end_of(value: &Edn) -> String {
    match value.as_seq() {
        Some(elements) if elements.len() > ELEMENTS => {
            let last = elements[elements.len() - ELEMENTS..].iter();
            let last: Vec<String> = last.map(|element| Excerpt(element).to_string()).collect();
            format!("[… {}]", last.join(" "))
        }
        _ => Excerpt(value).to_string(),
    }
}
