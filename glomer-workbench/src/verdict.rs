//! What a checker says of a history.

use std::fmt;
use std::time::Duration;

use crate::edn::Edn;
use crate::history::History as Record;

/// Whether a history is what it should be, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Validity {
    /// Nothing speaks against it.
    True,
    /// There is too little to go by.
    Unknown,
    /// The history shows that something went wrong.
    False,
}

impl Validity {
    /// What a map of results holds under `:valid?`, if anything.
    pub fn of(map: &Edn) -> Option<Self> {
        Some(match map.get("valid?")? {
            Edn::Bool(valid) => (*valid).into(),
            _ => Self::Unknown,
        })
    }
}

/// In a word: valid, invalid or unknown.
impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::True => "valid",
            Self::False => "invalid",
            Self::Unknown => "unknown",
        })
    }
}

impl From<bool> for Validity {
    fn from(valid: bool) -> Self {
        if valid { Self::True } else { Self::False }
    }
}

impl From<Validity> for Edn {
    fn from(validity: Validity) -> Self {
        match validity {
            Validity::True => Self::Bool(true),
            Validity::False => Self::Bool(false),
            Validity::Unknown => Self::kw("unknown"),
        }
    }
}

/// The verdict over several: false if one is, else unknown if one is, else true.
pub fn merge_validity(verdicts: impl IntoIterator<Item = Validity>) -> Validity {
    verdicts.into_iter().max().unwrap_or(Validity::True)
}

/// One thing that is wrong with a history, in words: a headline, and how it is known.
///
/// ```
/// use glomer_workbench::verdict::Reason;
///
/// let reason = Reason::new("value 12 is lost")
///     .because("n0 acknowledged broadcast 12 at 1.784 s (operation 75).", [75])
///     .because("n2's last read, at 11.000 s (operation 326), does not have it.", [326])
///     .and_so("18 other values");
/// assert_eq!(
///     reason.to_string(),
///     "value 12 is lost.
///   n0 acknowledged broadcast 12 at 1.784 s (operation 75).
///   n2's last read, at 11.000 s (operation 326), does not have it. So with 18 other values."
/// );
/// assert_eq!(reason.operations(), [75, 326]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    headline: String,
    kind: Option<&'static str>,
    lines: Vec<Line>,
    others: Option<String>,
    operations: Vec<usize>,
    messages: Vec<u64>,
}

/// A line of a [`Reason`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Said(String),
    /// What became of the messages that carried something. Only who has the run's journal can
    /// say.
    Carried(Carried),
}

/// A value that a node does not have, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The value, as it stands in messages.
    pub value: Edn,
    /// The node that does not have it.
    pub node: String,
    /// When that was seen.
    pub until: Duration,
}

impl Reason {
    /// What is wrong, without a full stop: `value 12 is lost`. Runs that fail in the same way
    /// have the same headline but for its numbers.
    pub fn new(headline: impl Into<String>) -> Reason {
        Reason {
            headline: headline.into(),
            kind: None,
            lines: Vec::new(),
            others: None,
            operations: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Adds how it is known, in a sentence or several for one line, and the operations that
    /// these rest on, by the indices of their invocations. Where `operation 75` stands in
    /// them, the report leads to it.
    #[must_use]
    pub fn because(
        mut self,
        sentences: impl Into<String>,
        operations: impl IntoIterator<Item = usize>,
    ) -> Reason {
        let mut sentences = sentences.into();
        // A name of a node stays as it is.
        if sentences.starts_with("the ") {
            sentences.replace_range(..1, "T");
        }
        self.lines.push(Line::Said(sentences));
        self.operations.extend(operations);
        self
    }

    /// Adds what became of the messages that carried a value to a node which does not have it.
    /// That is told of runs alone: a history does not know of messages.
    #[must_use]
    pub fn carried(mut self, what: Carried) -> Reason {
        self.lines.push(Line::Carried(what));
        self
    }

    /// Adds what else the same holds for: `18 other values`.
    #[must_use]
    pub fn and_so(mut self, others: impl Into<String>) -> Reason {
        self.others = Some(others.into());
        self
    }

    /// Adds so many others of these: `18 other` and the plural, or `another` and the singular.
    /// Of none, nothing.
    #[must_use]
    pub(crate) fn and_others(self, count: usize, singular: &str) -> Reason {
        match count {
            0 => self,
            1 => self.and_so(format!("another {singular}")),
            count => self.and_so(format!("{count} other {singular}s")),
        }
    }

    /// Says in the same few words what is wrong with all runs that fail in the same way, where
    /// the headline does not.
    #[must_use]
    pub fn of_kind(mut self, kind: &'static str) -> Reason {
        self.kind = Some(kind);
        self
    }

    /// The same for all runs that fail in the same way: what
    /// [`of_kind`](Reason::of_kind) says, or the headline with all its numbers alike.
    pub fn kind(&self) -> String {
        match self.kind {
            Some(kind) => kind.to_owned(),
            None => without_numbers(&self.headline),
        }
    }

    /// What is wrong, without a full stop.
    pub fn headline(&self) -> &str {
        &self.headline
    }

    /// How it is known, a line each.
    pub fn lines(&self) -> Vec<String> {
        let said = self.lines.iter().filter_map(|line| match line {
            Line::Said(text) => Some(text.clone()),
            Line::Carried(_) => None,
        });
        let mut lines: Vec<String> = said.collect();
        if let Some(others) = &self.others {
            let so = format!("So with {others}.");
            match lines.last_mut() {
                Some(last) => *last = format!("{last} {so}"),
                None => lines.push(so),
            }
        }
        lines
    }

    /// The operations that it rests on, by the indices of their invocations.
    pub fn operations(&self) -> &[usize] {
        &self.operations
    }

    /// The messages that it tells of, by their numbers.
    pub fn messages(&self) -> &[u64] {
        &self.messages
    }

    /// The same, with what became of messages: a line, if there is anything to say, and the
    /// numbers of these messages.
    pub(crate) fn with_messages(
        mut self,
        told: impl Fn(&Carried) -> (Option<String>, Vec<u64>),
    ) -> Reason {
        for line in std::mem::take(&mut self.lines) {
            match line {
                Line::Said(_) => self.lines.push(line),
                Line::Carried(what) => {
                    let (text, messages) = told(&what);
                    self.lines.extend(text.map(Line::Said));
                    self.messages.extend(messages);
                }
            }
        }
        self
    }

    /// Takes note of messages that belong to it.
    pub(crate) fn mark(&mut self, messages: impl IntoIterator<Item = u64>) {
        self.messages.extend(messages);
        self.messages.sort_unstable();
        self.messages.dedup();
    }
}

/// The headline, and the lines below it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.headline)?;
        self.lines()
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// With a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// `1 read`, `2 reads`.
pub(crate) fn counted(count: usize, singular: &str) -> String {
    match count {
        1 => format!("1 {singular}"),
        _ => format!("{count} {singular}s"),
    }
}

/// `n0`, `n0 and n1`, `n0, n1 and n2`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What a checker says of a history: whether it is what it should be, the figures that
/// show it, and the reasons if it is not.
///
/// ```
/// use glomer_workbench::history::History;
/// use glomer_workbench::verdict::{Reason, Validity, Verdict};
///
/// let lost = Reason::new("value 12 is lost")
///     .because("It was acknowledged (operation 75), and is in no later read.", [75]);
/// let verdict = Verdict::new(false).figure("lost-count", 1).because(lost);
/// assert_eq!(verdict.validity(), Validity::False);
/// assert_eq!(verdict.reasons()[0].headline(), "value 12 is lost");
/// let edn = verdict.to_edn(&History::default());
/// assert_eq!(edn.to_string(), "{:valid? false, :lost-count 1}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    validity: Validity,
    figures: Vec<(String, Edn)>,
    /// How many of the figures are shown before the validity.
    before: usize,
    reasons: Vec<Reason>,
    warnings: Vec<String>,
}

impl Verdict {
    /// A verdict without figures; of a `bool`, whether the history is valid.
    pub fn new(validity: impl Into<Validity>) -> Verdict {
        Verdict {
            validity: validity.into(),
            figures: Vec::new(),
            before: 0,
            reasons: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The verdict of a checker that cannot make sense of a history, and why.
    pub fn unknown(error: impl Into<String>) -> Verdict {
        Verdict::new(Validity::Unknown).figure("error", error.into())
    }

    /// Adds a figure, which results show after those there are. Names are in kebab-case.
    #[must_use]
    pub fn figure(mut self, name: impl Into<String>, value: impl Into<Edn>) -> Verdict {
        self.figures.push((name.into(), value.into()));
        self
    }

    /// Adds a figure that results show before the validity, where some of Jepsen's checkers
    /// have theirs.
    #[must_use]
    pub fn figure_before(mut self, name: impl Into<String>, value: impl Into<Edn>) -> Verdict {
        self.figures
            .insert(self.before, (name.into(), value.into()));
        self.before += 1;
        self
    }

    /// Adds a reason, after those there are. The most telling comes first.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Verdict {
        self.reasons.push(reason);
        self
    }

    /// Adds what is not right and decides nothing, in a sentence.
    #[must_use]
    pub fn warn(mut self, text: impl Into<String>) -> Verdict {
        self.warnings.push(text.into());
        self
    }

    /// The verdict on a history that lacks the workload's final phase, before which nodes have
    /// time to agree: what looks lost may have been on its way.
    pub(crate) fn without_final_phase(mut self) -> Verdict {
        if self.validity != Validity::False {
            return self;
        }
        self.validity = Validity::Unknown;
        self.warn(
            "the run ended before the nodes had time to agree, so what looks lost may have been on \
             its way",
        )
    }

    /// Whether the history is what it should be.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The figures, in the order that results show them.
    pub fn figures(&self) -> &[(String, Edn)] {
        &self.figures
    }

    /// A figure by its name.
    pub fn get(&self, name: &str) -> Option<&Edn> {
        let mut figures = self.figures.iter();
        figures.find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The reasons, if the history is not what it should be.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// What is not right and decides nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The map that results print, without the warnings, which all checkers share. Each [`entry`] in a figure is shown as the record has it.
    #[doc(hidden)]
    pub fn to_edn(&self, record: &Record) -> Edn {
        let mut figures = self.figures.iter();
        let shown = |(name, value): &(String, Edn)| (name.clone(), show(value, record));
        let mut entries: Vec<(String, Edn)> =
            figures.by_ref().take(self.before).map(shown).collect();
        entries.push(("valid?".to_owned(), self.validity.into()));
        entries.extend(figures.map(shown));
        Edn::map(entries)
    }
}

/// The tag of an entry of the record in results.
const ENTRY: &str = "jepsen.history.Op";

/// As a figure, or within one: the entry of the record with this index, which results show
/// whole.
#[doc(hidden)]
pub fn entry(index: usize) -> Edn {
    Edn::Tagged(ENTRY.to_owned(), Box::new(index.into()))
}

/// The same, shown with this function in place of its own.
#[doc(hidden)]
pub fn entry_as(index: usize, f: &str) -> Edn {
    Edn::Tagged(
        ENTRY.to_owned(),
        Box::new(Edn::vector([Edn::from(index), f.into()])),
    )
}

/// The entry of the record that is meant by what [`entry`] and [`entry_as`] make.
fn entry_of(record: &Record, meant: &Edn) -> Option<Edn> {
    let (index, f) = match meant.as_seq() {
        Some([index, f]) => (index, f.name()),
        _ => (meant, None),
    };
    let index = usize::try_from(index.as_int()?).ok()?;
    let place = record.0.binary_search_by_key(&index, |op| op.index).ok()?;
    let mut op = record.0[place].clone();
    if let Some(f) = f {
        f.clone_into(&mut op.f);
    }
    Some(op.to_tagged())
}

/// The index of the entry that a figure shows.
pub(crate) fn entry_index(figure: &Edn) -> Option<usize> {
    match figure {
        Edn::Tagged(tag, index) if tag == ENTRY => usize::try_from(index.as_int()?).ok(),
        _ => None,
    }
}

/// A figure with its entries as the record has them.
fn show(value: &Edn, record: &Record) -> Edn {
    let all = |items: &[Edn]| items.iter().map(|item| show(item, record)).collect();
    match value {
        Edn::Tagged(tag, meant) if tag == ENTRY => {
            entry_of(record, meant).unwrap_or_else(|| value.clone())
        }
        Edn::List(items) => Edn::List(all(items)),
        Edn::Vector(items) => Edn::Vector(all(items)),
        Edn::Set(items) => Edn::Set(all(items)),
        Edn::Map(entries) => Edn::Map(
            entries
                .iter()
                .map(|(key, value)| (show(key, record), show(value, record)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A text with all its numbers alike.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Op, OpType, Process};

    #[test]
    fn figures_stand_where_they_were_put_and_show_entries_whole() {
        let record: Record = [Op::new(OpType::Ok, Process::Client(3), "read", 5.into())]
            .into_iter()
            .collect();
        let verdict = Verdict::new(false)
            .figure("errors", Edn::list([entry(0), entry(7)]))
            .figure_before("worst", 1)
            .figure_before("count", 2);
        let op = "#jepsen.history.Op{:index 0, :time 0, :type :ok, :process 3, :f :read, :value 5}";
        assert_eq!(
            verdict.to_edn(&record),
            Edn::parse(&format!(
                "{{:worst 1, :count 2, :valid? false, :errors ({op} #jepsen.history.Op 7)}}"
            ))
            .unwrap()
        );
        let keys = verdict.to_edn(&record);
        let keys: Vec<&str> = keys
            .as_map()
            .unwrap()
            .iter()
            .filter_map(|(key, _)| key.name())
            .collect();
        assert_eq!(keys, ["worst", "count", "valid?", "errors"]);
    }

    #[test]
    fn the_worst_of_several_counts() {
        use Validity::{False, True, Unknown};
        assert_eq!(merge_validity([]), True);
        assert_eq!(merge_validity([True, Unknown]), Unknown);
        assert_eq!(merge_validity([Unknown, False, True]), False);
    }
}
