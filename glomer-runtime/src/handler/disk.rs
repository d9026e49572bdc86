//! What a handler keeps.

use std::cell::Ref;
use std::fmt;
use std::ops::{Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeTo};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use crate::body::Error;
use crate::work::{Contents, Core, Write};

impl Context {
    /// What this node keeps, and finds again when it was killed and starts anew.
    ///
    /// # Panics
    ///
    /// If the node has no disk, and no [leave](crate::Stdio::disk_or_memory) to go without
    /// one. [`run`](crate::run) then stops the node with words that say what to do.
    #[track_caller]
    pub fn disk(&self) -> Disk<'_> {
        self.core.ask_for_disk();
        Disk { core: &self.core }
    }
}

/// What a node keeps: values under keys, and logs. See [`Context::disk`].
///
/// **Whatever the node sends in the turn of a write or after it, to whomever, leaves only once
/// that write is durable.** A turn is a call of a handler, or what an `async` one does between
/// two `await`s; what it writes is kept together or not at all. So a handler writes and answers,
/// in any order, waits for nothing, and nobody hears of what could still be lost. Many turns
/// share one sync. If the disk fails, the node stops, and what waited is never sent.
///
/// There is no way around it but another way out: a handler that tells the world itself, over
/// a socket of its own or by a file that others read, tells of writes that may be lost.
///
/// Values and entries are anything that serde can write as JSON. Reading takes no input or
/// output: a node has what it keeps in memory, too.
///
/// ```
/// use glomer_runtime::prelude::*;
///
/// #[derive(Default)]
/// struct Register {
///     value: u64,
/// }
///
/// #[handler("init")]
/// fn init(state: &mut Register, cx: &Context) -> Result<(), Error> {
///     state.value = cx.disk().load("value")?.unwrap_or_default();
///     Ok(())
/// }
///
/// #[handler("write")]
/// fn write(state: &mut Register, cx: &Context, value: u64) {
///     state.value = value;
///     cx.disk().put("value", &value);
/// }
///
/// let cx = Context::mock("n1", ["n1"]);
/// write(&mut Register::default(), &cx, 7);
///
/// // The same node, after it was killed.
/// let mut state = Register::default();
/// init(&mut state, &cx).unwrap();
/// assert_eq!(state.value, 7);
/// ```
#[derive(Clone, Copy)]
pub struct Disk<'a> {
    core: &'a Core,
}

impl fmt::Debug for Disk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Disk<'_> {
    /// Keeps a value under a key, instead of the one before.
    ///
    /// # Panics
    ///
    /// If the value cannot be written as JSON.
    #[track_caller]
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) {
        let value = &json("value", key, value);
        self.core.write_to_disk(&Write::Put { key, value });
    }

    /// Keeps nothing under a key any more.
    pub fn remove(&self, key: &str) {
        self.core.write_to_disk(&Write::Remove { key });
    }

    /// The value under a key; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If what is there is no `T`, as when another version of the program kept it.
    pub fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let contents = self.contents();
        let value = contents.value(key);
        value
            .map(|value| read(value, || format!("under `{key}`")))
            .transpose()
    }

    /// Adds an entry to the end of a log, and returns its number: 0 for the first, and one
    /// more for each.
    ///
    /// ```
    /// # let cx = glomer_runtime::Context::mock("n1", ["n1"]);
    /// let disk = cx.disk();
    /// assert_eq!(disk.append("log", "a"), 0);
    /// assert_eq!(disk.append("log", "b"), 1);
    /// assert_eq!(disk.entries::<String>("log", 1..).unwrap(), [(1, "b".into())]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the entry cannot be written as JSON.
    #[track_caller]
    pub fn append<T: Serialize + ?Sized>(&self, log: &str, entry: &T) -> u64 {
        let entry = &json("entry", log, entry);
        self.core.write_to_disk(&Write::Append { log, entry });
        self.range(log).end - 1
    }

    /// Drops entries of a log: from a number on, before a number, or all. The others keep
    /// their numbers.
    ///
    /// What is appended after a cut at the end takes the numbers of what was dropped. A log
    /// that ends before the number in front of which it is cut goes on with that number.
    ///
    /// ```
    /// # let cx = glomer_runtime::Context::mock("n1", ["n1"]);
    /// let disk = cx.disk();
    /// for entry in ["a", "b", "c", "d"] {
    ///     disk.append("log", entry);
    /// }
    /// disk.cut("log", 3..);
    /// disk.cut("log", ..1);
    /// assert_eq!(disk.range("log"), 1..3);
    /// assert_eq!(disk.append("log", "e"), 3);
    ///
    /// disk.cut("log", ..100);
    /// assert_eq!(disk.append("log", "f"), 100);
    /// ```
    pub fn cut(&self, log: &str, entries: impl Into<Cut>) {
        let Cut { keep } = entries.into();
        let range = self.range(log);
        if keep.start > range.start || keep.end < range.end {
            self.core.write_to_disk(&Write::Cut { log, keep });
        }
    }

    /// The numbers of a log's entries; of a log without entries, the number of the next one
    /// twice.
    pub fn range(&self, log: &str) -> Range<u64> {
        self.contents().range(log)
    }

    /// Those of a log's entries whose numbers are in a range, such as `..`, with their
    /// numbers.
    ///
    /// # Errors
    ///
    /// If one of them is no `T`, as when another version of the program kept it.
    pub fn entries<T: DeserializeOwned>(
        &self,
        log: &str,
        range: impl RangeBounds<u64>,
    ) -> Result<Vec<(u64, T)>, Error> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let contents = self.contents();
        let entries = contents.entries(log, start..end).map(|(number, entry)| {
            let entry = read(entry, || format!("as entry {number} of `{log}`"))?;
            Ok((number, entry))
        });
        entries.collect()
    }

    fn contents(&self) -> Ref<'_, Contents> {
        self.core.disk_contents()
    }
}

/// Which entries of a log to drop: `from..`, `..before`, or `..`; see [`Disk::cut`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    keep: Range<u64>,
}

impl From<RangeFrom<u64>> for Cut {
    fn from(dropped: RangeFrom<u64>) -> Self {
        let keep = 0..dropped.start;
        Self { keep }
    }
}

impl From<RangeTo<u64>> for Cut {
    fn from(dropped: RangeTo<u64>) -> Self {
        let keep = dropped.end..u64::MAX;
        Self { keep }
    }
}

impl From<RangeFull> for Cut {
    fn from(_: RangeFull) -> Self {
        Self { keep: 0..0 }
    }
}

#[track_caller]
fn json<T: Serialize + ?Sized>(what: &str, name: &str, value: &T) -> String {
    match serde_json::to_string(value) {
        Ok(json) => json,
        Err(error) => panic!("the {what} for `{name}` cannot be kept: {error}"),
    }
}

fn read<T: DeserializeOwned>(json: &str, place: impl Fn() -> String) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        Error::crash(format!(
            "what the disk has {} is no `{}`: {error}",
            place(),
            std::any::type_name::<T>()
        ))
    })
}
