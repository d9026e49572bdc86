//! txn-list-append and txn-rw-register: transactions are as isolated as the consistency models
//! say.
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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use adya::history::{Interner, Mop, ReadValue, Scalar};

use crate::edn::Edn;
use crate::history::{Excerpt, History, Op, OpType, Process};

use super::{ConsistencyModel, Validity, Verdict};
use answers::Answers;

pub(crate) use meaning::meaning;

/// How long to look for the most telling cycle among transactions that all depend on each other.
/// That there is a cycle, and which models it rules out, does not hang on it.
const CYCLE_SEARCH: Duration = Duration::from_secs(10);

/// Checks transactions of appends and reads of lists.
///
/// # Errors
/// If an operation's value is not a transaction.
pub(crate) fn check_list_append(
    history: &History,
    models: &[ConsistencyModel],
) -> Result<Verdict, String> {
    let answers = Answers::of(history, "append");
    let mut findings = Findings::of(history, &answers, adya::Workload::ListAppend, models)?;
    let unwritten = answers.unwritten_reads();
    if !unwritten.is_empty() {
        findings.forbid("unwritten-read", unwritten.into_iter().map(unwritten_read));
    }
    // Where Elle stops with an exception, nothing is known.
    let verdict = match answers.confused_lists() {
        Some(confusion) if findings.valid != Validity::False => Verdict::unknown(confusion),
        _ if findings.anomalies.is_empty() => Verdict::new(true),
        _ => findings.verdict(findings.valid),
    };
    Ok(answers.warning().into_iter().fold(verdict, Verdict::warn))
}

/// Checks transactions of writes and reads of registers. As in Maelstrom, a transaction's writes
/// follow its reads of the same key, a search for a cycle that took too long counts for nothing,
/// and whatever else was found makes the history invalid.
///
/// # Errors
/// If an operation's value is not a transaction.
pub(crate) fn check_rw_register(
    history: &History,
    models: &[ConsistencyModel],
) -> Result<Verdict, String> {
    let answers = Answers::of(history, "w");
    let mut findings = Findings::of(history, &answers, adya::Workload::RwRegister, models)?;
    findings.anomalies.remove("cycle-search-timeout");
    let verdict = match answers.confused_registers() {
        Some(confusion) if findings.valid != Validity::False => Verdict::unknown(confusion),
        _ => findings.verdict(findings.anomalies.is_empty().into()),
    };
    let warnings = unwritten_warning(&answers).into_iter();
    let warnings = warnings.chain(answers.warning());
    Ok(warnings.fold(verdict, Verdict::warn))
}

/// What a read of something that nobody wrote looks like in the results.
fn unwritten_read((op, mop, element): (&Op, &Edn, &Edn)) -> Edn {
    Edn::map([
        ("op", op.to_tagged()),
        ("mop", mop.clone()),
        ("element", element.clone()),
    ])
}

/// What to tell people of registers that were read with something that nobody wrote.
fn unwritten_warning(answers: &Answers<'_>) -> Option<String> {
    let unwritten = answers.unwritten_reads();
    let (first, mop, value) = *unwritten.first()?;
    let at = first.index;
    if unwritten.iter().all(|(_, _, other)| *other == value) {
        return Some(format!(
            "reads returned {} for registers that nobody wrote ({}, the first in operation {at}): \
             answer null; Maelstrom does not mind",
            Excerpt(value),
            reads(unwritten.len())
        ));
    }
    Some(format!(
        "reads returned what nobody wrote ({}, the first is {} in operation {at}): a register \
         that nobody wrote reads as null; Maelstrom does not mind",
        reads(unwritten.len()),
        Excerpt(mop)
    ))
}

fn reads(count: usize) -> String {
    match count {
        1 => "1 read".to_owned(),
        _ => format!("{count} reads"),
    }
}

/// The transactions of clients in a history.
fn transactions(history: &History) -> impl Iterator<Item = &Op> {
    history.client_ops().filter(|op| op.f == "txn")
}

/// The micro-operations of a transaction, each whole and as function, key and value.
fn mops(op: &Op) -> impl Iterator<Item = (&Edn, [&Edn; 3])> {
    let mops = op.value.as_seq().unwrap_or(&[]).iter();
    mops.filter_map(|mop| match mop.as_seq()? {
        [f, key, value] => Some((mop, [f, key, value])),
        _ => None,
    })
}

/// What there is to say about a history's isolation.
struct Findings {
    valid: Validity,
    /// Anomalies by their type.
    anomalies: BTreeMap<String, Edn>,
    not: BTreeSet<String>,
    also_not: BTreeSet<String>,
}

impl Findings {
    fn of(
        history: &History,
        answers: &Answers<'_>,
        workload: adya::Workload,
        models: &[ConsistencyModel],
    ) -> Result<Self, String> {
        let models = models.iter();
        let models: Vec<String> = models.map(|model| model.name().to_owned()).collect();
        let transactions = read(history, answers, workload)?;
        let report = adya::check(
            &transactions,
            workload,
            &adya::Opts {
                models: models.clone(),
                timeout: CYCLE_SEARCH,
                wfr_keys: matches!(workload, adya::Workload::RwRegister),
                ..adya::Opts::default()
            },
        );
        let by_index = history.0.iter().map(|op| (op.index, op)).collect();
        let shown = report.anomalies.iter().map(|(kind, found)| {
            let found = found.iter().map(|anomaly| witness(anomaly, &by_index));
            (kind.clone(), found.collect())
        });
        let mut found: BTreeMap<String, Vec<Edn>> = shown.collect();
        let before: BTreeSet<String> = found.keys().cloned().collect();

        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let prohibited = adya::model::prohibited_by(&models);
        let write = match workload {
            adya::Workload::ListAppend => "append",
            adya::Workload::RwRegister => "w",
        };
        found.remove("internal");
        for (kind, cases) in [
            (
                "internal",
                internal::cases(self::transactions(history), write),
            ),
            ("G1b", answers.intermediate_reads()),
        ] {
            if prohibited.contains(kind) && !cases.is_empty() {
                found.entry(kind.to_owned()).or_default().extend(cases);
            }
        }
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
        Ok(Self {
            valid,
            anomalies: found
                .into_iter()
                .map(|(kind, cases)| (kind, Edn::List(cases)))
                .collect(),
            not,
            also_not,
        })
    }

    /// Adds an anomaly that no model allows.
    fn forbid(&mut self, kind: &str, cases: impl Iterator<Item = Edn>) {
        let weakest = "read-uncommitted";
        self.valid = Validity::False;
        self.also_not = adya::model::stronger_models(&[weakest]);
        self.also_not.remove(weakest);
        self.not = BTreeSet::from([weakest.to_owned()]);
        self.anomalies.insert(kind.to_owned(), Edn::list(cases));
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

type ByIndex<'a> = HashMap<usize, &'a Op>;

/// An anomaly as Elle shows it.
fn witness(anomaly: &adya::Anomaly, by_index: &ByIndex<'_>) -> Edn {
    let op = |index: &serde_json::Value| {
        index
            .as_u64()
            .and_then(|index| by_index.get(&(index as usize)))
            .map_or(Edn::Nil, |op| op.to_tagged())
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
fn read(
    history: &History,
    answers: &Answers<'_>,
    workload: adya::Workload,
) -> Result<adya::History, String> {
    let ambiguous = match workload {
        adya::Workload::ListAppend => HashSet::new(),
        adya::Workload::RwRegister => answers.written_twice(),
    };
    let mut interner = Interner::default();
    let mut ops = Vec::new();
    for op in transactions(history) {
        let Process::Client(process) = op.process else {
            continue;
        };
        let mops = op
            .value
            .as_seq()
            .ok_or_else(|| "not a list of micro-operations".to_owned())
            .and_then(|mops| {
                mops.iter()
                    .map(|mop| micro_operation(mop, workload, op, &ambiguous, &mut interner))
                    .collect::<Result<Vec<Mop>, String>>()
            })
            .map_err(|wrong| format!("{wrong}, in {}", op.to_edn()))?;
        ops.push(adya::history::Op {
            index: op.index as u64,
            kind: match op.kind {
                OpType::Invoke => adya::history::OpType::Invoke,
                OpType::Ok => adya::history::OpType::Ok,
                OpType::Fail => adya::history::OpType::Fail,
                OpType::Info => adya::history::OpType::Info,
            },
            process: Some(process as i64),
            value: mops,
            time: Some(op.time),
        });
    }
    Ok(adya::History::from_ops(ops, interner))
}

fn micro_operation(
    mop: &Edn,
    workload: adya::Workload,
    op: &Op,
    ambiguous: &HashSet<(&Edn, &Edn)>,
    interner: &mut Interner,
) -> Result<Mop, String> {
    let Some([function, key, value]) = mop.as_seq() else {
        return Err(format!("{mop} is not [function key value]"));
    };
    let mut id = |value: &Edn| {
        interner.intern(match value {
            Edn::Int(number) => Scalar::Int(*number),
            // In its notation a value is equal to no other.
            other => Scalar::Str(other.to_string()),
        })
    };
    let key_id = id(key);
    match (function.name(), workload, value) {
        (Some("append"), adya::Workload::ListAppend, _) => Ok(Mop::Append {
            key: key_id,
            value: id(value),
        }),
        (Some("w"), adya::Workload::RwRegister, _) => Ok(Mop::Write {
            key: key_id,
            value: if ambiguous.contains(&(key, value)) {
                id(&format!("{value} of operation {}", op.index).into())
            } else {
                id(value)
            },
        }),
        (Some("r"), _, Edn::Nil) => Ok(Mop::Read {
            key: key_id,
            value: ReadValue::Nil,
        }),
        (Some("r"), adya::Workload::ListAppend, list) => {
            let elements = list.as_seq();
            let elements = elements.ok_or_else(|| format!("{mop} does not read a list"))?;
            Ok(Mop::Read {
                key: key_id,
                value: ReadValue::List(elements.iter().map(id).collect()),
            })
        }
        (Some("r"), adya::Workload::RwRegister, value) => Ok(Mop::Read {
            key: key_id,
            value: ReadValue::Scalar(id(value)),
        }),
        _ => Err(format!("{mop} is no micro-operation of this workload")),
    }
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
