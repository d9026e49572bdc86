//! Transactions over lists and registers: they are as isolated as the consistency models say.
//!
//! The crate `adya` infers the dependencies between transactions and finds the anomalies, by the
//! same rules as Elle, which Maelstrom uses; this module gives it the history and puts its
//! findings into Elle's map. Two of them it makes itself, since `adya` draws the line elsewhere:
//! `:internal`, and the `:G1b` of an answer that does not repeat what was asked.
//!
//! A read of what no transaction ever wrote is an `:unwritten-read` in a list, and invalid under
//! every model; Elle stops with an assertion there. Elle passes over such a register, so it is a
//! warning.
//!
//! What is different from Elle's results: the steps of a cycle name their type and the reason
//! (`:why`) in words, where Elle gives indices into the transactions.

mod answers;
mod internal;
mod meaning;
mod transactions;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use adya::history::{Interner, ReadValue, Scalar};

use crate::edn::Edn;
use crate::history::typed::History;
use crate::history::{Excerpt, OpType};
use crate::verdict::{counted, entry, entry_index};

use super::{ConsistencyModel, Validity, Verdict};
use answers::Answers;
use transactions::{Entry, Mop, transactions};
use why::{Case, Step, What};

pub(crate) use meaning::meaning;
pub use transactions::{ListOp, RegisterOp};

/// How long to look for the most telling cycle among transactions that all depend on each other.
/// That there is a cycle, and which models it rules out, does not hang on it.
const CYCLE_SEARCH: Duration = Duration::from_secs(10);

/// Whether transactions over lists that grow are as isolated as all of these models say: Elle's
/// `list-append`.
///
/// What a client asked for and what came back have the same form: an answer repeats the
/// transaction, with what was read. What is read tells the order of the appends, and so which
/// transaction came after which, and what must not be: a circle of them, say, or a read of what a
/// transaction appended that failed.
///
/// The figures, if there is something to say, are the anomalies by their type, each with the
/// transactions it is made of (`anomalies`, `anomaly-types`), and the models that they rule out
/// (`not`, `also-not`). The verdict is unknown if there are anomalies that the models allow, such
/// as that no transaction has to do with another, and if the answers are such that nothing can be
/// told from them.
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::{ConsistencyModel, ListOp, list_append};
/// use glomer_workbench::edn::Edn;
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// type Txn = Vec<ListOp<&'static str, u64>>;
///
/// let ms = Duration::from_millis;
/// let append: Txn = vec![ListOp::Append("a", 1)];
/// let read = |list: &[u64]| vec![ListOp::Read("a", Some(list.to_vec()))];
/// let asked = vec![ListOp::Read("a", None)];
/// let history: History<Txn, Txn> = [
///     Operation::new(0, append.clone(), ms(0)).ended(ms(10), Outcome::Ok(append)),
///     Operation::new(1, asked.clone(), ms(20)).ended(ms(30), Outcome::Ok(read(&[]))),
///     Operation::new(1, asked, ms(40)).ended(ms(50), Outcome::Ok(read(&[1]))),
/// ]
/// .into_iter()
/// .collect();
///
/// // The first read does not see what was there when it began.
/// let strict = list_append(&history, &[ConsistencyModel::STRICT_SERIALIZABLE]);
/// assert_eq!(strict.validity(), Validity::False);
/// let found = Edn::list([Edn::kw("G-single-item-realtime")]);
/// assert_eq!(strict.get("anomaly-types"), Some(&found));
///
/// let plain = list_append(&history, &["serializable".parse().unwrap()]);
/// assert_eq!(plain.validity(), Validity::True);
/// ```
pub fn list_append<Txn, Key, Element>(
    history: &History<Txn, Txn>,
    models: &[ConsistencyModel],
) -> Verdict
where
    Txn: AsRef<[ListOp<Key, Element>]>,
    Key: Clone + Into<Edn>,
    Element: Clone + Into<Edn>,
{
    let transactions = transactions::<Txn, ListOp<Key, Element>>(history);
    let answers = Answers::of(&transactions, "append");
    let mut findings = Findings::of(&answers, adya::Workload::ListAppend, models);
    let unwritten = answers.unwritten_reads();
    if let Some((ok, mop, element)) = unwritten.first() {
        let end = ok.at.index;
        let said = format!(
            "T{end} read {}, and nobody ever appended {} to that key",
            Excerpt(&mop.to_edn(answers.write)),
            Excerpt(element)
        );
        let unwritten = unwritten.iter().map(|(ok, mop, element)| {
            Edn::map([
                ("op", entry(ok.at.index)),
                ("mop", mop.to_edn(answers.write)),
                ("element", (*element).clone()),
            ])
        });
        findings.forbid("unwritten-read", unwritten, What::Said(said, vec![end]));
    }
    // Where Elle stops with an exception, nothing is known.
    let verdict = match answers.confused_lists() {
        Some(confusion) if findings.valid != Validity::False => Verdict::unknown(confusion),
        _ if findings.anomalies.is_empty() => Verdict::new(true),
        _ => findings.verdict(findings.valid),
    };
    let verdict = findings.because(verdict, &answers, &|process| history.who(process));
    answers.warning().into_iter().fold(verdict, Verdict::warn)
}

/// Whether transactions over registers are as isolated as all of these models say: Elle's
/// `rw-register`.
///
/// This is as [`list_append`], but tells less: a read shows what a register was last given and
/// nothing of what was before. As in Maelstrom, a transaction's writes follow its reads of the
/// same key, a search for a cycle that took too long counts for nothing, and whatever else was
/// found makes the history invalid, even if the models allow it.
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::{ConsistencyModel, RegisterOp, rw_register};
/// use glomer_workbench::edn::Edn;
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// type Txn = Vec<RegisterOp<u64, u64>>;
///
/// let ms = Duration::from_millis;
/// let write: Txn = vec![RegisterOp::Write(1, 7)];
/// let asked = vec![RegisterOp::Read(1, None)];
/// let answered = vec![RegisterOp::Read(1, Some(7))];
/// let history: History<Txn, Txn> = [
///     Operation::new(0, write, ms(0)).ended(ms(10), Outcome::Fail),
///     Operation::new(1, asked, ms(20)).ended(ms(30), Outcome::Ok(answered)),
/// ]
/// .into_iter()
/// .collect();
///
/// // The transaction that wrote 7 failed.
/// let verdict = rw_register(&history, &[ConsistencyModel::STRICT_SERIALIZABLE]);
/// assert_eq!(verdict.validity(), Validity::False);
/// assert!(verdict.get("anomalies").unwrap().get("G1a").is_some());
/// ```
pub fn rw_register<Txn, Key, Value>(
    history: &History<Txn, Txn>,
    models: &[ConsistencyModel],
) -> Verdict
where
    Txn: AsRef<[RegisterOp<Key, Value>]>,
    Key: Clone + Into<Edn>,
    Value: Clone + Into<Edn>,
{
    let transactions = transactions::<Txn, RegisterOp<Key, Value>>(history);
    let answers = Answers::of(&transactions, "w");
    let mut findings = Findings::of(&answers, adya::Workload::RwRegister, models);
    findings.anomalies.remove("cycle-search-timeout");
    let verdict = match answers.confused_registers() {
        Some(confusion) if findings.valid != Validity::False => Verdict::unknown(confusion),
        _ => findings.verdict(findings.anomalies.is_empty().into()),
    };
    let verdict = findings.because(verdict, &answers, &|process| history.who(process));
    let warnings = unwritten_warning(&answers).into_iter();
    let warnings = warnings.chain(answers.warning());
    warnings.fold(verdict, Verdict::warn)
}

/// What to tell people of registers that were read with something that nobody wrote.
fn unwritten_warning(answers: &Answers<'_>) -> Option<String> {
    let unwritten = answers.unwritten_reads();
    let (first, mop, value) = *unwritten.first()?;
    let at = first.at.index;
    if unwritten.iter().all(|(_, _, other)| *other == value) {
        return Some(format!(
            "reads returned {} for registers that nobody wrote ({}, the first in operation {at}): \
             answer null; Maelstrom does not mind",
            Excerpt(value),
            counted(unwritten.len(), "read")
        ));
    }
    Some(format!(
        "reads returned what nobody wrote ({}, the first is {} in operation {at}): a register \
         that nobody wrote reads as null; Maelstrom does not mind",
        counted(unwritten.len(), "read"),
        Excerpt(&mop.to_edn(answers.write))
    ))
}

/// What there is to say about a history's isolation.
struct Findings {
    valid: Validity,
    /// Anomalies by their type.
    anomalies: BTreeMap<String, Edn>,
    not: BTreeSet<String>,
    also_not: BTreeSet<String>,
    /// The first case of each anomaly, from the most telling.
    cases: Vec<Case>,
}

impl Findings {
    fn of(answers: &Answers<'_>, workload: adya::Workload, models: &[ConsistencyModel]) -> Self {
        let models = models.iter();
        let models: Vec<String> = models.map(|model| model.name().to_owned()).collect();
        let report = adya::check(
            &read(answers, workload),
            workload,
            &adya::Opts {
                models: models.clone(),
                timeout: CYCLE_SEARCH,
                wfr_keys: matches!(workload, adya::Workload::RwRegister),
                ..adya::Opts::default()
            },
        );
        let shown = report
            .anomalies
            .iter()
            .map(|(kind, found)| (kind.clone(), found.iter().map(witness).collect()));
        let mut found: BTreeMap<String, Vec<Edn>> = shown.collect();
        let before: BTreeSet<String> = found.keys().cloned().collect();

        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let prohibited = adya::model::prohibited_by(&models);
        found.remove("internal");
        for (kind, cases) in [
            ("internal", internal::cases(answers)),
            ("G1b", answers.intermediate_reads()),
        ] {
            if prohibited.contains(kind) && !cases.is_empty() {
                found.entry(kind.to_owned()).or_default().extend(cases);
            }
        }
        let cases = cases(answers, &report.anomalies, &found, &prohibited);
        let kinds: BTreeSet<String> = found.keys().cloned().collect();
        let (not, also_not) = if kinds == before {
            let also_not = report.also_not.into_iter().collect();
            (report.not.into_iter().collect(), also_not)
        } else {
            let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
            adya::model::boundary(&kinds)
        };
        let valid = match (kinds.is_empty(), kinds.is_disjoint(&prohibited)) {
            (true, _) => Validity::True,
            (false, true) => Validity::Unknown,
            (false, false) => Validity::False,
        };
        Self {
            valid,
            anomalies: found
                .into_iter()
                .map(|(kind, cases)| (kind, Edn::List(cases)))
                .collect(),
            not,
            also_not,
            cases,
        }
    }

    /// Adds an anomaly that no model allows.
    fn forbid(&mut self, kind: &str, cases: impl Iterator<Item = Edn>, first: What) {
        let weakest = "read-uncommitted";
        self.valid = Validity::False;
        self.also_not = adya::model::stronger_models(&[weakest]);
        self.also_not.remove(weakest);
        self.not = BTreeSet::from([weakest.to_owned()]);
        let cases: Vec<Edn> = cases.collect();
        let first = Case {
            kind: kind.to_owned(),
            count: cases.len(),
            what: first,
        };
        self.cases.insert(0, first);
        self.anomalies.insert(kind.to_owned(), Edn::List(cases));
    }

    /// Adds what was found in words, if it is what makes the history invalid, or unknown.
    fn because(
        &self,
        verdict: Verdict,
        answers: &Answers<'_>,
        who: &dyn Fn(u64) -> String,
    ) -> Verdict {
        if verdict.validity() == Validity::True || verdict.get("error").is_some() {
            return verdict;
        }
        let shown = self
            .cases
            .iter()
            .filter(|case| self.anomalies.contains_key(&case.kind));
        let reasons = shown.map(|case| why::reason(case, answers, who));
        reasons.fold(verdict, Verdict::because)
    }

    fn verdict(&self, valid: Validity) -> Verdict {
        let types = self.anomalies.keys().map(Edn::kw);
        let verdict = Verdict::new(valid).figure("anomaly-types", Edn::list(types));
        if self.anomalies.is_empty() {
            return verdict.figure("anomalies", Edn::Nil);
        }
        verdict
            .figure("anomalies", Edn::map(self.anomalies.clone()))
            .figure("not", names(&self.not))
            .figure("also-not", names(&self.also_not))
    }
}

/// The first case of each anomaly: of those that the models prohibit, if there are any.
fn cases(
    answers: &Answers<'_>,
    anomalies: &BTreeMap<String, Vec<adya::Anomaly>>,
    found: &BTreeMap<String, Vec<Edn>>,
    prohibited: &BTreeSet<String>,
) -> Vec<Case> {
    let mut cases: Vec<Case> = found
        .iter()
        .map(|(kind, cases)| {
            let theirs = anomalies.get(kind).filter(|_| kind != "internal");
            Case {
                kind: kind.clone(),
                count: cases.len(),
                what: match theirs.and_then(|theirs| theirs.first()) {
                    Some(anomaly) => what(anomaly),
                    None => own(answers, &cases[0]),
                },
            }
        })
        .collect();
    if cases.iter().any(|case| prohibited.contains(&case.kind)) {
        cases.retain(|case| prohibited.contains(&case.kind));
    }
    cases.sort_by_key(|case| why::rank(&case.kind));
    cases
}

/// A case of adya's.
fn what(anomaly: &adya::Anomaly) -> What {
    let index = |value: &serde_json::Value| value.as_u64().unwrap_or_default() as usize;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let detail = &anomaly.detail;
    if let Some(steps) = detail["steps"].as_array() {
        let steps = steps.iter().map(|step| Step {
            from: index(&step["from"]),
            to: index(&step["to"]),
            relation: text(&step["rel"]),
            why: text(&step["why"]),
        });
        return What::Steps(steps.collect());
    }
    if let ("incompatible-order", Some(values)) =
        (anomaly.kind.as_str(), detail["values"].as_array())
    {
        return What::Reads(given(&detail["key"]), values.iter().map(given).collect());
    }
    let ends = anomaly.ops.iter().map(|index| *index as usize);
    What::Said(anomaly.explanation.clone(), ends.collect())
}

/// A case that was found here.
fn own(answers: &Answers<'_>, case: &Edn) -> What {
    let end = |key| case.get(key).and_then(entry_index);
    let shown = |key| Excerpt(case.get(key).unwrap_or(&Edn::Nil)).to_string();
    let Some(reader) = end("op") else {
        return What::Said(shown("op"), Vec::new());
    };
    match end("writer") {
        Some(writer) => {
            // The writer goes by its beginning here.
            let mut own = answers.transactions().iter();
            let own = own.find(|it| it.invocation.at.index == writer);
            let end = own
                .and_then(|it| it.completion.as_ref())
                .map(|end| end.at.index);
            let writer = end.unwrap_or(writer);
            let text = format!(
                "T{reader} read {}, which T{writer} was to overwrite, though its answer hides it",
                shown("mop")
            );
            What::Said(text, vec![reader, writer])
        }
        None => {
            let text = format!(
                "T{reader} read {}, and by what it had read and written before it should be {}",
                shown("mop"),
                shown("expected")
            );
            What::Said(text, vec![reader])
        }
    }
}

/// A set of models, by the names that Elle prints.
fn names(models: &BTreeSet<String>) -> Edn {
    let names: BTreeSet<Edn> = models
        .iter()
        .map(|name| match name.as_str() {
            name if name == ConsistencyModel::STRICT_SERIALIZABLE.name() => "strong-serializable",
            name => name,
        })
        .map(Edn::kw)
        .collect();
    Edn::Set(names.into_iter().collect())
}

/// An anomaly as Elle shows it.
fn witness(anomaly: &adya::Anomaly) -> Edn {
    let op = |index: &serde_json::Value| {
        let index = index.as_u64();
        index.map_or(Edn::Nil, |index| entry(index as usize))
    };
    if let Some(steps) = anomaly.detail["steps"].as_array() {
        let cycle = steps
            .iter()
            .chain(steps.first())
            .map(|step| op(&step["from"]));
        let steps = steps.iter().map(|step| {
            Edn::map([
                ("type", Edn::kw(step["rel"].as_str().unwrap_or_default())),
                ("why", step["why"].clone().into()),
            ])
        });
        return Edn::map([
            ("cycle", Edn::vector(cycle)),
            ("steps", Edn::list(steps)),
            ("type", Edn::kw(&anomaly.kind)),
        ]);
    }
    let Some(detail) = anomaly.detail.as_object() else {
        return Edn::map([("explanation", anomaly.explanation.as_str().into())]);
    };
    let shown = |key: &str, value: &serde_json::Value| match (key, value) {
        ("op" | "writer", value) => op(&value["index"]),
        ("txns", serde_json::Value::Array(txns)) => {
            Edn::vector(txns.iter().map(|txn| match txn.as_str() {
                Some(gap) => Edn::Symbol(gap.to_owned()),
                None => op(&txn["index"]),
            }))
        }
        ("mop", serde_json::Value::Array(mop)) => {
            let function = mop.first().and_then(serde_json::Value::as_str);
            let rest = mop.iter().skip(1).map(given);
            Edn::vector(function.map(Edn::kw).into_iter().chain(rest))
        }
        ("not" | "anomaly_spec_type" | "source", serde_json::Value::String(name)) => Edn::kw(name),
        (_, value) => given(value),
    };
    let mut entries: Vec<(&String, &serde_json::Value)> = detail.iter().collect();
    entries.sort_by_key(|(key, _)| DETAILS.iter().position(|detail| detail == key));
    Edn::map(
        entries
            .into_iter()
            .map(|(key, value)| (key.replace('_', "-"), shown(key, value))),
    )
}

/// The details of anomalies in the order that Elle shows them.
const DETAILS: [&str; 9] = [
    "key", "value", "values", "txns", "op", "mop", "writer", "element", "expected",
];

/// The history as adya takes it: keys and values are numbers that stand for them.
///
/// What several transactions left behind in a register, as lying answers say, cannot be told
/// apart by a read; `adya` would look no further. Unless someone read it, which is told as a
/// confusion, each of them gets a value of its own.
fn read(answers: &Answers<'_>, workload: adya::Workload) -> adya::History {
    let ambiguous = match workload {
        adya::Workload::ListAppend => HashSet::new(),
        adya::Workload::RwRegister => answers.written_twice(),
    };
    let mut interner = Interner::default();
    let entries = answers.entries.iter();
    let ops = entries.map(|entry| adya::history::Op {
        index: entry.at.index as u64,
        kind: match entry.kind {
            OpType::Invoke => adya::history::OpType::Invoke,
            OpType::Ok => adya::history::OpType::Ok,
            OpType::Fail => adya::history::OpType::Fail,
            OpType::Info => adya::history::OpType::Info,
        },
        process: Some(entry.process as i64),
        value: entry
            .mops
            .iter()
            .map(|mop| micro_operation(mop, workload, entry, &ambiguous, &mut interner))
            .collect(),
        time: Some(entry.at.time.as_nanos() as i64),
    });
    let ops: Vec<adya::history::Op> = ops.collect();
    adya::History::from_ops(ops, interner)
}

fn micro_operation(
    mop: &Mop,
    workload: adya::Workload,
    entry: &Entry,
    ambiguous: &HashSet<(&Edn, &Edn)>,
    interner: &mut Interner,
) -> adya::history::Mop {
    let mut id = |value: &Edn| {
        interner.intern(match value {
            Edn::Int(number) => Scalar::Int(*number),
            // In its notation a value is equal to no other.
            other => Scalar::Str(other.to_string()),
        })
    };
    let key = id(&mop.key);
    if mop.is_write {
        return match workload {
            adya::Workload::ListAppend => adya::history::Mop::Append {
                key,
                value: id(&mop.value),
            },
            adya::Workload::RwRegister => adya::history::Mop::Write {
                key,
                value: if ambiguous.contains(&(&mop.key, &mop.value)) {
                    id(&format!("{} of operation {}", mop.value, entry.at.index).into())
                } else {
                    id(&mop.value)
                },
            },
        };
    }
    let value = match (workload, &mop.value) {
        (_, Edn::Nil) => ReadValue::Nil,
        (adya::Workload::ListAppend, list) => {
            ReadValue::List(list.as_seq().unwrap_or(&[]).iter().map(&mut id).collect())
        }
        (adya::Workload::RwRegister, value) => ReadValue::Scalar(id(value)),
    };
    adya::history::Mop::Read { key, value }
}

/// A value that adya was given, as it was: an integer, or another value in its notation.
fn given(value: &serde_json::Value) -> Edn {
    match value {
        serde_json::Value::String(text) => {
            Edn::parse(text).unwrap_or_else(|_| text.as_str().into())
        }
        serde_json::Value::Array(items) => Edn::vector(items.iter().map(given)),
        other => other.clone().into(),
    }
}
