//! No two requests get the same id.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::{History, OpType};

/// How many duplicates the results show.
const SHOWN: usize = 48;

pub(crate) fn check(history: &History) -> Edn {
    let mut attempted = 0_usize;
    let mut acknowledged = 0_usize;
    let mut ids: BTreeMap<&Edn, usize> = BTreeMap::new();
    for op in history.0.iter().filter(|op| op.f == "generate") {
        match op.kind {
            OpType::Invoke => attempted += 1,
            OpType::Ok => {
                acknowledged += 1;
                *ids.entry(&op.value).or_default() += 1;
            }
            OpType::Fail | OpType::Info => {}
        }
    }
    let end = |id: Option<&&Edn>| id.copied().cloned().unwrap_or_default();
    let range = Edn::vector([end(ids.keys().next()), end(ids.keys().next_back())]);
    let mut duplicated: Vec<(&Edn, usize)> =
        ids.into_iter().filter(|(_, count)| *count > 1).collect();
    let duplicated_count = duplicated.len();
    // The most frequent, and of equally frequent ones the greatest, shown by id.
    duplicated.sort_by_key(|(_, count)| *count);
    let mut shown = duplicated.split_off(duplicated_count.saturating_sub(SHOWN));
    shown.sort();
    Edn::map([
        ("valid?", (duplicated_count == 0).into()),
        ("attempted-count", attempted.into()),
        ("acknowledged-count", acknowledged.into()),
        ("duplicated-count", duplicated_count.into()),
        (
            "duplicated",
            Edn::Map(
                shown
                    .into_iter()
                    .map(|(id, count)| (id.clone(), count.into()))
                    .collect(),
            ),
        ),
        ("range", range),
    ])
}
