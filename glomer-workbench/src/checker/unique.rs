//! Identifiers: no two operations get the same.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::history::Excerpt;
use crate::history::typed::{History, Moment, Operation};
use crate::verdict::{Reason, Verdict};

/// How many duplicates the results show.
const SHOWN: usize = 48;

/// Whether what came back is different each time.
///
/// The figures are how many operations there were (`attempted-count`) and how many took effect
/// (`acknowledged-count`), what came back more than once, each with how often (`duplicated`, and
/// `duplicated-count`), and the smallest and the greatest of all (`range`).
///
/// ```
/// use std::time::Duration;
/// use glomer_workbench::checker::unique;
/// use glomer_workbench::edn::Edn;
/// use glomer_workbench::history::typed::{History, Operation, Outcome};
/// use glomer_workbench::verdict::Validity;
///
/// struct Draw;
///
/// let ms = Duration::from_millis;
/// let history: History<Draw, u64> = [
///     Operation::new(0, Draw, ms(0)).ended(ms(10), Outcome::Ok(7)),
///     Operation::new(1, Draw, ms(0)).ended(ms(10), Outcome::Ok(8)),
///     Operation::new(0, Draw, ms(20)).ended(ms(30), Outcome::Ok(7)),
/// ]
/// .into_iter()
/// .collect();
///
/// let verdict = unique(&history);
/// assert_eq!(verdict.validity(), Validity::False);
/// assert_eq!(verdict.get("duplicated"), Some(&Edn::Map(vec![(7.into(), 2.into())])));
/// ```
pub fn unique<Op, Output>(history: &History<Op, Output>) -> Verdict
where
    Output: Clone + Into<Edn> + Ord,
{
    let mut acknowledged = 0_usize;
    let mut ids: BTreeMap<&Output, usize> = BTreeMap::new();
    for id in history.iter().filter_map(|op| op.output()) {
        acknowledged += 1;
        *ids.entry(id).or_default() += 1;
    }
    let end = |id: Option<&&Output>| Edn::from(id.copied().cloned());
    let range = Edn::vector([end(ids.keys().next()), end(ids.keys().next_back())]);
    let mut duplicated: Vec<(&Output, usize)> =
        ids.into_iter().filter(|(_, count)| *count > 1).collect();
    let duplicated_count = duplicated.len();
    // The most frequent, and of equally frequent ones the greatest, shown by id.
    duplicated.sort_by_key(|(_, count)| *count);
    let mut shown = duplicated.split_off(duplicated_count.saturating_sub(SHOWN));
    shown.sort();
    let shown = shown
        .into_iter()
        .map(|(id, count)| (id.clone().into(), count.into()));
    let verdict = Verdict::new(duplicated_count == 0)
        .figure("attempted-count", history.operations().len())
        .figure("acknowledged-count", acknowledged)
        .figure("duplicated-count", duplicated_count)
        .figure("duplicated", Edn::Map(shown.collect()))
        .figure("range", range);
    let reason = again(history).map(|reason| reason.and_others(duplicated_count - 1, "id"));
    reason.into_iter().fold(verdict, Verdict::because)
}

/// The first id that came again, and who gave it out.
fn again<Op, Output: Clone + Into<Edn> + Ord>(history: &History<Op, Output>) -> Option<Reason> {
    let mut ends: Vec<(Moment, &Operation<Op, Output>, &Output)> = history
        .iter()
        .filter_map(|operation| Some((operation.completed?, operation, operation.output()?)))
        .collect();
    ends.sort_unstable_by_key(|(at, ..)| *at);
    let mut first: BTreeMap<&Output, (Moment, &Operation<Op, Output>)> = BTreeMap::new();
    let (id, earlier, later) = ends.into_iter().find_map(|(at, operation, id)| {
        let earlier = first.insert(id, (at, operation))?;
        Some((id, earlier, (at, operation)))
    })?;
    let id: Edn = id.clone().into();
    let told = |(at, operation): (Moment, &Operation<Op, Output>)| {
        let (who, index) = (history.who(operation.process), operation.invoked.index);
        (
            format!(
                "{who} gave out {} at {at} (operation {index})",
                Excerpt(&id)
            ),
            index,
        )
    };
    let ((earlier, one), (later, other)) = (told(earlier), told(later));
    let reason = Reason::new("the same id was given out more than once");
    Some(
        reason
            .because(format!("{earlier}."), [one])
            .because(format!("{later}."), [other]),
    )
}
