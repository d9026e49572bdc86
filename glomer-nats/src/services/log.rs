//! What the services need of JetStream: a log of records, of which each key has a latest one.

use glomer_runtime::sim::service::Json;
use std::future::Future;

/// The latest record of a key.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Its place in the log; 0 when the key never had a record.
    pub(super) sequence: u64,
    /// The value of the key, `None` when it has none.
    pub(super) value: Option<Json>,
    /// The name of the change that made the value. A record that only repeats what its
    /// predecessor says keeps the name.
    pub(super) change: String,
}

impl Record {
    /// What a key has that never had a record.
    pub(super) fn absent() -> Record {
        Record {
            sequence: 0,
            value: None,
            change: String::new(),
        }
    }
}

/// What became of an append.
#[derive(Debug)]
pub(super) enum Appended {
    /// It has this place in the log, for good.
    At(u64),
    /// It is not in the log: the latest record of the key is not the expected one, or another
    /// append to the key is under way.
    Conflict,
    /// It is not in the log and never will be: nobody took it.
    Refused(String),
    /// It may be in the log, or get there later, or never.
    Unknown(String),
}

/// A log that many may append to at once.
pub(super) trait Log: Send + Sync + 'static {
    /// A record that was the latest of the key once, and may be so no longer.
    fn load(&self, key: &str) -> impl Future<Output = Result<Record, String>> + Send;

    /// Appends a record, on the condition that the latest record of its key is the one with the
    /// expected sequence (0: that it has none), where one is expected. The sequence of the
    /// record itself says nothing.
    fn append(
        &self,
        key: &str,
        expected: Option<u64>,
        record: &Record,
    ) -> impl Future<Output = Appended> + Send;

    /// So many bytes a value may have in a record.
    fn max_value(&self) -> usize;
}
