//! Transactions as they are checked: what was asked and what was answered.

use serde::{Deserialize, Serialize};

use crate::edn::Edn;
use crate::history::OpType;
use crate::history::typed::{History, Moment, Outcome};

/// What a transaction does to one of several lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListOp<Key, Element> {
    /// Appends to the list under this key. No element is appended to a key twice.
    Append(Key, Element),
    /// Reads the list under this key. `None` is what was asked and, in an answer, no list.
    Read(Key, Option<Vec<Element>>),
}

/// What a transaction does to one of several registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegisterOp<Key, Value> {
    /// Gives the register under this key a value. No value is written to a key twice.
    Write(Key, Value),
    /// Reads the register under this key. `None` is what was asked and, in an answer, no value.
    Read(Key, Option<Value>),
}

/// A read or a write within a transaction.
pub(super) struct Mop {
    pub(super) is_write: bool,
    pub(super) key: Edn,
    /// What was written or read: null, a list or a register's value.
    pub(super) value: Edn,
}

impl Mop {
    /// As Elle shows it.
    pub(super) fn to_edn(&self, write: &str) -> Edn {
        let f = if self.is_write { write } else { "r" };
        Edn::vector([Edn::kw(f), self.key.clone(), self.value.clone()])
    }
}

impl<Key: Clone + Into<Edn>, Element: Clone + Into<Edn>> From<&ListOp<Key, Element>> for Mop {
    fn from(op: &ListOp<Key, Element>) -> Mop {
        let (is_write, key, value) = match op {
            ListOp::Append(key, element) => (true, key, element.clone().into()),
            ListOp::Read(key, list) => (false, key, list.clone().into()),
        };
        Mop {
            is_write,
            key: key.clone().into(),
            value,
        }
    }
}

impl<Key: Clone + Into<Edn>, Value: Clone + Into<Edn>> From<&RegisterOp<Key, Value>> for Mop {
    fn from(op: &RegisterOp<Key, Value>) -> Mop {
        let (is_write, key, value) = match op {
            RegisterOp::Write(key, value) => (true, key, value.clone().into()),
            RegisterOp::Read(key, value) => (false, key, value.clone().into()),
        };
        Mop {
            is_write,
            key: key.clone().into(),
            value,
        }
    }
}

/// The beginning or the end of a transaction.
pub(super) struct Entry {
    pub(super) at: Moment,
    pub(super) kind: OpType,
    pub(super) process: u64,
    pub(super) mops: Vec<Mop>,
}

impl Entry {
    pub(super) fn reads(&self) -> impl Iterator<Item = &Mop> {
        self.mops.iter().filter(|mop| !mop.is_write)
    }

    /// The keys that are written and what is written to them.
    pub(super) fn writes(&self) -> impl Iterator<Item = (&Edn, &Edn)> {
        let writes = self.mops.iter().filter(|mop| mop.is_write);
        writes.map(|mop| (&mop.key, &mop.value))
    }
}

/// What was asked, and what was answered unless the run ended first. A transaction without an
/// answer of its own ends with what was asked.
pub(super) struct Transaction {
    pub(super) invocation: Entry,
    pub(super) completion: Option<Entry>,
}

/// The transactions of a history, in the order they began.
pub(super) fn transactions<'h, Txn, M: 'h>(history: &'h History<Txn, Txn>) -> Vec<Transaction>
where
    Txn: AsRef<[M]>,
    Mop: From<&'h M>,
{
    let mops = |txn: &'h Txn| txn.as_ref().iter().map(Mop::from).collect();
    let operations = history.iter().map(|operation| {
        let entry = |at, kind, txn| Entry {
            at,
            kind,
            process: operation.process,
            mops: mops(txn),
        };
        let (kind, answered) = match &operation.outcome {
            Outcome::Ok(answered) => (OpType::Ok, answered),
            Outcome::Fail => (OpType::Fail, &operation.op),
            Outcome::Info => (OpType::Info, &operation.op),
        };
        Transaction {
            invocation: entry(operation.invoked, OpType::Invoke, &operation.op),
            completion: operation.completed.map(|at| entry(at, kind, answered)),
        }
    });
    operations.collect()
}
