//! txn-list-append and txn-rw-register: transactions are as isolated as the consistency models
//! say.
//!
//! The crate `adya` infers the dependencies between transactions and finds the anomalies, by the
//! same rules as Elle, which Maelstrom uses; this module gives it the history and puts its
//! findings into Elle's map. What is added here, because neither finds it: a read of a value that
//! no transaction ever wrote is an `:unwritten-read`, and invalid under every model (Elle stops
//! with an assertion over such a list element, and passes over such a register).
//!
//! What is different from Elle's results: the steps of a cycle name their type and the reason
//! (`:why`) in words, where Elle gives indices into the transactions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use adya::history::{Id, Interner, Mop, ReadValue, Scalar};

use crate::edn::Edn;
use crate::history::{History, Op, OpType, Process};

use super::{CheckOptions, ConsistencyModel, Validity};

/// How long to look for the most telling cycle among transactions that all depend on each other.
/// That there is a cycle, and which models it rules out, does not hang on it.
const CYCLE_SEARCH: Duration = Duration::from_secs(10);

/// Checks transactions of appends and reads of lists.
///
/// # Errors
/// If an operation's value is not a transaction.
pub(super) fn check_list_append(history: &History, options: &CheckOptions) -> Result<Edn, String> {
    let findings = Findings::of(history, adya::Workload::ListAppend, options)?;
    if findings.anomalies.is_empty() {
        return Ok(Edn::map([("valid?", true.into())]));
    }
    Ok(findings.to_edn(findings.valid))
}

/// Checks transactions of writes and reads of registers. As in Maelstrom, a transaction's writes
/// follow its reads of the same key, a search for a cycle that took too long counts for nothing,
/// and whatever else was found makes the history invalid.
///
/// # Errors
/// If an operation's value is not a transaction.
pub(super) fn check_rw_register(history: &History, options: &CheckOptions) -> Result<Edn, String> {
    let mut findings = Findings::of(history, adya::Workload::RwRegister, options)?;
    findings
        .anomalies
        .retain(|(kind, _)| kind != "cycle-search-timeout");
    Ok(findings.to_edn(findings.anomalies.is_empty().into()))
}

/// What there is to say about a history's isolation.
struct Findings {
    valid: Validity,
    /// Anomalies by their type, sorted.
    anomalies: Vec<(String, Edn)>,
    not: BTreeSet<String>,
    also_not: BTreeSet<String>,
}

impl Findings {
    fn of(
        history: &History,
        workload: adya::Workload,
        options: &CheckOptions,
    ) -> Result<Self, String> {
        let transactions = Transactions::read(history, workload)?;
        let report = adya::check(
            &transactions.history,
            workload,
            &adya::Opts {
                models: options
                    .consistency_models
                    .iter()
                    .map(|model| model.name().to_owned())
                    .collect(),
                timeout: CYCLE_SEARCH,
                wfr_keys: matches!(workload, adya::Workload::RwRegister),
                ..adya::Opts::default()
            },
        );
        let by_index = history.0.iter().map(|op| (op.index, op)).collect();
        let mut findings = Self {
            valid: match report.valid {
                adya::Valid::True => Validity::True,
                adya::Valid::False => Validity::False,
                adya::Valid::Unknown => Validity::Unknown,
            },
            anomalies: report
                .anomalies
                .iter()
                .map(|(kind, found)| {
                    let found = found.iter().map(|anomaly| witness(anomaly, &by_index));
                    (kind.clone(), Edn::list(found))
                })
                .collect(),
            not: report.not.into_iter().collect(),
            also_not: report.also_not.into_iter().collect(),
        };
        let unwritten = transactions.unwritten_reads(&by_index);
        if !unwritten.is_empty() {
            findings.valid = Validity::False;
            let weakest = "read-uncommitted";
            findings.also_not = adya::model::stronger_models(&[weakest]);
            findings.also_not.remove(weakest);
            findings.not = BTreeSet::from([weakest.to_owned()]);
            findings
                .anomalies
                .push(("unwritten-read".to_owned(), Edn::List(unwritten)));
            findings.anomalies.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        Ok(findings)
    }

    fn to_edn(&self, valid: Validity) -> Edn {
        let types = self.anomalies.iter().map(|(kind, _)| Edn::kw(kind));
        let anomalies = match self.anomalies.as_slice() {
            [] => Edn::Nil,
            found => Edn::map(found.iter().cloned()),
        };
        let mut map = Edn::map([
            ("valid?", valid.into()),
            ("anomaly-types", Edn::list(types)),
            ("anomalies", anomalies),
        ]);
        if !self.anomalies.is_empty() {
            map.insert("not", names(&self.not));
            map.insert("also-not", names(&self.also_not));
        }
        map
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
            let rest = mop.iter().skip(1).cloned().map(Edn::from);
            Edn::vector(function.map(Edn::kw).into_iter().chain(rest))
        }
        ("not" | "anomaly_spec_type" | "source", serde_json::Value::String(name)) => Edn::kw(name),
        (_, value) => value.clone().into(),
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

/// A history as adya takes it: keys and values are numbers that stand for them.
struct Transactions {
    history: adya::History,
}

impl Transactions {
    fn read(history: &History, workload: adya::Workload) -> Result<Self, String> {
        let mut interner = Interner::default();
        let mut ops = Vec::new();
        for op in history.0.iter().filter(|op| op.f == "txn") {
            let Process::Client(process) = op.process else {
                continue;
            };
            let mops = op
                .value
                .as_seq()
                .ok_or_else(|| "not a list of micro-operations".to_owned())
                .and_then(|mops| {
                    mops.iter()
                        .map(|mop| micro_operation(mop, workload, &mut interner))
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
        Ok(Self {
            history: adya::History::from_ops(ops, interner),
        })
    }

    /// Reads of values that no transaction, whatever became of it, tried to write.
    fn unwritten_reads(&self, by_index: &ByIndex<'_>) -> Vec<Edn> {
        let ops = &self.history.ops;
        let written: HashSet<(Id, Id)> = ops
            .iter()
            .flat_map(|op| &op.value)
            .filter_map(|mop| match mop {
                Mop::Append { key, value } | Mop::Write { key, value } => Some((*key, *value)),
                Mop::Read { .. } => None,
            })
            .collect();
        let mut unwritten = Vec::new();
        for op in ops.iter().filter(|op| op.kind == adya::history::OpType::Ok) {
            for (place, mop) in op.value.iter().enumerate() {
                let Mop::Read { key, value } = mop else {
                    continue;
                };
                let read: &[Id] = match value {
                    ReadValue::Nil => &[],
                    ReadValue::Scalar(value) => std::slice::from_ref(value),
                    ReadValue::List(values) => values,
                };
                let Some(element) = read
                    .iter()
                    .position(|value| !written.contains(&(*key, *value)))
                else {
                    continue;
                };
                let Some(op) = by_index.get(&(op.index as usize)) else {
                    continue;
                };
                let mop = op.value.as_seq().map_or(&Edn::Nil, |mops| &mops[place]);
                let returned = mop.as_seq().map_or(&Edn::Nil, |mop| &mop[2]);
                let element = returned
                    .as_seq()
                    .map_or(returned, |values| &values[element]);
                unwritten.push(Edn::map([
                    ("op", op.to_tagged()),
                    ("mop", mop.clone()),
                    ("element", element.clone()),
                ]));
            }
        }
        unwritten
    }
}

fn micro_operation(
    mop: &Edn,
    workload: adya::Workload,
    interner: &mut Interner,
) -> Result<Mop, String> {
    let Some([function, key, value]) = mop.as_seq() else {
        return Err(format!("{mop} is not [function key value]"));
    };
    let mut id = |value: &Edn| {
        interner.intern(match value {
            Edn::Int(number) => Scalar::Int(*number),
            Edn::String(text) => Scalar::Str(text.clone()),
            other => Scalar::Str(other.to_string()),
        })
    };
    let key = id(key);
    match (function.name(), workload) {
        (Some("append"), adya::Workload::ListAppend) => Ok(Mop::Append {
            key,
            value: id(value),
        }),
        (Some("w"), adya::Workload::RwRegister) => Ok(Mop::Write {
            key,
            value: id(value),
        }),
        (Some("r"), adya::Workload::ListAppend) => Ok(Mop::Read {
            key,
            value: match value {
                Edn::Nil => ReadValue::Nil,
                value => ReadValue::List(
                    value
                        .as_seq()
                        .ok_or_else(|| format!("{mop} does not read a list"))?
                        .iter()
                        .map(id)
                        .collect(),
                ),
            },
        }),
        (Some("r"), adya::Workload::RwRegister) => Ok(Mop::Read {
            key,
            value: match value {
                Edn::Nil => ReadValue::Nil,
                value => ReadValue::Scalar(id(value)),
            },
        }),
        _ => Err(format!("{mop} is no micro-operation of this workload")),
    }
}
