//! No two requests get the same id.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::typed::History;
use crate::verdict::Verdict;

/// How many duplicates the results show.
const SHOWN: usize = 48;

/// Each operation asks for an id, and what it brings is one.
pub(crate) fn check<Op>(history: &History<Op, Edn>) -> Verdict {
    let mut acknowledged = 0_usize;
    let mut ids: BTreeMap<&Edn, usize> = BTreeMap::new();
    for id in history.iter().filter_map(|op| op.output()) {
        acknowledged += 1;
        *ids.entry(id).or_default() += 1;
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
    let shown = shown
        .into_iter()
        .map(|(id, count)| (id.clone(), count.into()));
    Verdict::new(duplicated_count == 0)
        .figure("attempted-count", history.operations().len())
        .figure("acknowledged-count", acknowledged)
        .figure("duplicated-count", duplicated_count)
        .figure("duplicated", Edn::Map(shown.collect()))
        .figure("range", range)
}
