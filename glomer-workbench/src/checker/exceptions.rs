//! What went wrong in the clients themselves.

use crate::edn::Edn;
use crate::history::{History, Op, OpType};
use crate::verdict::{Verdict, entry};

/// Groups indeterminate operations by the class of the `:exception` they carry, the most frequent
/// first. They count against nothing: a crashed client says nothing about the nodes.
pub fn exceptions(history: &History) -> Verdict {
    let mut classes: Vec<(Edn, Vec<&Op>)> = Vec::new();
    for op in history.0.iter().filter(|op| op.kind == OpType::Info) {
        let Some((_, exception)) = op.extra.iter().find(|(key, _)| key == "exception") else {
            continue;
        };
        let class = exception
            .get("via")
            .and_then(Edn::as_seq)
            .and_then(|via| via.first()?.get("type"))
            .cloned()
            .unwrap_or_default();
        match classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, ops)) => ops.push(op),
            None => classes.push((class, vec![op])),
        }
    }
    classes.sort_by_key(|(_, ops)| std::cmp::Reverse(ops.len()));
    let verdict = Verdict::new(true);
    if classes.is_empty() {
        return verdict;
    }
    let shown = classes.into_iter().map(|(class, ops)| {
        Edn::map([
            ("count", ops.len().into()),
            ("class", class),
            ("example", entry(ops[0].index)),
        ])
    });
    verdict.figure("exceptions", Edn::list(shown))
}
