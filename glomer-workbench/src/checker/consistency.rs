//! Consistency models by name, as `--consistency-models` takes them.

use std::fmt;
use std::str::FromStr;

/// A model that transactions can be held to. The hierarchy of models, and which anomalies each
/// forbids, is that of Elle, from the crate `adya`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsistencyModel(&'static str);

/// Adya's own names, which Elle takes as well.
const ADYAS_NAMES: [(&str, &str); 14] = [
    ("PL-1", "read-uncommitted"),
    ("PL-2", "read-committed"),
    ("PL-CS", "cursor-stability"),
    ("PL-2L", "monotonic-view"),
    ("PL-MSR", "monotonic-snapshot-read"),
    ("PL-2+", "consistent-view"),
    ("PL-FCV", "forward-consistent-view"),
    ("PL-SI", "snapshot-isolation"),
    ("PL-2.99", "repeatable-read"),
    ("PL-3U", "update-serializable"),
    ("PL-3", "serializable"),
    ("PL-SS", "strict-serializable"),
    ("conflict-serializable", "serializable"),
    ("strong-serializable", "strict-serializable"),
];

impl ConsistencyModel {
    /// What transactions are held to unless something else is asked for.
    pub const STRICT_SERIALIZABLE: Self = Self("strict-serializable");

    /// All models, by name.
    pub fn all() -> Vec<Self> {
        adya::model::all_models().into_iter().map(Self).collect()
    }

    /// The name the option takes.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ConsistencyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl FromStr for ConsistencyModel {
    type Err = String;

    /// Takes blanks around the name, which Maelstrom demands between names and commas.
    fn from_str(name: &str) -> Result<Self, String> {
        let name = name.trim();
        let plain = ADYAS_NAMES
            .iter()
            .find(|(adyas, _)| *adyas == name)
            .map_or(name, |(_, plain)| plain);
        adya::model::canonical(plain).map(Self).ok_or_else(|| {
            let names: Vec<&str> = Self::all().into_iter().map(Self::name).collect();
            format!(
                "no consistency model is called `{name}`, there are {}",
                names.join(", ")
            )
        })
    }
}
