//! Checkers: what a history says about the system that made it.
//!
//! Each workload has its checker, in a module of its own; [`stats`], [`availability`] and
//! [`exceptions`] look at every history. They answer with the maps that Maelstrom prints, key for
//! key, each with its `:valid?`.

mod availability;
mod consistency;
mod counter;
mod echo;
mod exceptions;
mod kafka;
mod lin_kv;
mod set_full;
mod stats;
mod txn;
mod unique_ids;

use std::fmt;
use std::str::FromStr;

use crate::edn::Edn;
use crate::history::History;

pub use availability::{Availability, availability};
pub use consistency::ConsistencyModel;
pub use exceptions::exceptions;
pub use stats::stats;

pub use crate::verdict::{Validity, merge_validity};

/// What a test asks of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Answer with what was sent.
    Echo,
    /// Generate ids that nobody generates twice.
    UniqueIds,
    /// Spread values to all nodes.
    Broadcast,
    /// A set that grows.
    GSet,
    /// A counter that grows.
    GCounter,
    /// A counter that grows and shrinks.
    PnCounter,
    /// Linearizable registers.
    LinKv,
    /// Append-only logs.
    Kafka,
    /// Transactions over lists that grow.
    TxnListAppend,
    /// Transactions over registers.
    TxnRwRegister,
}

impl Workload {
    /// All workloads.
    pub const ALL: [Self; 10] = [
        Self::Echo,
        Self::UniqueIds,
        Self::Broadcast,
        Self::GSet,
        Self::GCounter,
        Self::PnCounter,
        Self::LinKv,
        Self::Kafka,
        Self::TxnListAppend,
        Self::TxnRwRegister,
    ];

    /// The name that `--workload` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::UniqueIds => "unique-ids",
            Self::Broadcast => "broadcast",
            Self::GSet => "g-set",
            Self::GCounter => "g-counter",
            Self::PnCounter => "pn-counter",
            Self::LinKv => "lin-kv",
            Self::Kafka => "kafka",
            Self::TxnListAppend => "txn-list-append",
            Self::TxnRwRegister => "txn-rw-register",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
            .ok_or_else(|| {
                format!(
                    "no workload is called `{name}`, there are {}",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

/// What the checkers need to know beside the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// What transactions must satisfy, all of them. The other workloads have no choice.
    pub consistency_models: Vec<ConsistencyModel>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            consistency_models: vec![ConsistencyModel::STRICT_SERIALIZABLE],
        }
    }
}

/// The verdict of a workload's checker, as Maelstrom prints it under `:workload`.
///
/// A history that the checker cannot make sense of (a read without a value, say) is
/// `{:valid? :unknown, :error "…"}`. What is not right and makes no difference to Maelstrom is
/// told under `:warnings`, in sentences.
pub fn check(workload: Workload, history: &History, options: &CheckOptions) -> Edn {
    let result = match workload {
        Workload::Echo => Ok(echo::check(history)),
        Workload::UniqueIds => Ok(unique_ids::check(history)),
        Workload::Broadcast => set_full::check(history, "broadcast"),
        Workload::GSet => set_full::check(history, "add"),
        Workload::GCounter | Workload::PnCounter => counter::check(history),
        Workload::LinKv => lin_kv::check(history),
        Workload::Kafka => kafka::check(history),
        Workload::TxnListAppend => txn::check_list_append(history, options),
        Workload::TxnRwRegister => txn::check_rw_register(history, options),
    };
    result.unwrap_or_else(|message| {
        Edn::map([
            ("valid?", Validity::Unknown.into()),
            ("error", message.into()),
        ])
    })
}

/// The key under which a map tells what is not right and decides nothing.
pub(crate) const WARNINGS: &str = "warnings";

/// Adds a warning to a checker's map, if there is one.
fn warn(map: &mut Edn, warning: Option<String>) {
    if let Some(warning) = warning {
        let known = map.get(WARNINGS).and_then(Edn::as_seq).unwrap_or(&[]);
        let all = known.iter().cloned().chain([warning.into()]);
        map.insert(WARNINGS, Edn::vector(all));
    }
}

/// All that a history determines of a test's results: the maps of [`exceptions`], [`stats`],
/// [`availability`] and [`check`] by these names, the verdict over all of them, and the
/// `:warnings` if there are any.
pub fn results(
    workload: Workload,
    history: &History,
    expected: Option<Availability>,
    options: &CheckOptions,
) -> Edn {
    let mut checked = check(workload, history, options);
    let warnings = checked.remove(WARNINGS);
    let parts = [
        ("exceptions", exceptions(history)),
        ("stats", stats(history)),
        ("availability", availability(history, expected)),
        ("workload", checked),
    ];
    let valid = merge_validity(parts.iter().map(|(_, part)| Validity::of(part)));
    let mut map = Edn::map(parts);
    if let Some(warnings) = warnings {
        map.insert(WARNINGS, warnings);
    }
    map.insert("valid?", valid.into());
    map
}
