//! What the names of anomalies and figures in a results map mean, in a sentence.

/// The figures of a set checker follow Jepsen's `set-full`, the anomalies of a
/// log Maelstrom's `doc/workloads.md`, those of transactions Adya's "Weak
/// Consistency" (1999) as Elle extends it.
const MEANINGS: [(&str, &str); 40] = [
    (
        "G-nonadjacent",
        "transactions form a circle through reads of what was since overwritten, no two of them in succession",
    ),
    (
        "G-single",
        "transactions form a circle through one read of what was since overwritten (read skew)",
    ),
    (
        "G0",
        "transactions overwrote each other's writes in a circle (dirty write)",
    ),
    (
        "G1a",
        "a read saw the write of a transaction that failed (aborted read)",
    ),
    (
        "G1b",
        "a read saw a write that its own transaction overwrote (intermediate read)",
    ),
    (
        "G1c",
        "transactions saw each other's writes in a circle (circular information flow)",
    ),
    (
        "G2",
        "transactions form a circle through reads of what was since overwritten (write skew)",
    ),
    (
        "acceptable",
        "the ranges in which a final read may lie, after all that was added for certain or perhaps",
    ),
    (
        "also-not",
        "what these anomalies rule out, too, since each of it promises more",
    ),
    (
        "bad-error-types",
        "the kinds of errors that make this invalid",
    ),
    (
        "configs",
        "what the register may have been, and who was under way, when no order was left",
    ),
    (
        "cyclic-versions",
        "the versions of a key follow each other in a circle",
    ),
    (
        "dirty-update",
        "a transaction built on the write of one that failed",
    ),
    ("duplicate", "one value stands at more than one offset"),
    (
        "duplicate-elements",
        "a read has one element more than once",
    ),
    ("duplicated", "there more than once"),
    (
        "empty-transaction-graph",
        "no operation saw anything of another, so nothing could be told",
    ),
    (
        "final-paths",
        "the orders in which operations were tried last, and what each made of the register",
    ),
    ("future-read", "a transaction read what it wrote only later"),
    (
        "incompatible-order",
        "reads of one key disagree about the order of its elements",
    ),
    ("inconsistent-offsets", "one offset had more than one value"),
    (
        "int-nonmonotonic-poll",
        "within one poll the offsets of a key do not rise",
    ),
    (
        "int-nonmonotonic-send",
        "within one transaction the offsets of sends to a key do not rise",
    ),
    (
        "int-poll-skip",
        "within one poll offsets are left out that exist",
    ),
    (
        "internal",
        "a transaction's read contradicts what it read or wrote before",
    ),
    (
        "lost",
        "known to be there once, and missing from the last reads",
    ),
    (
        "lost-latencies",
        "ms from when a lost element was known to the last read that had it, by quantile",
    ),
    (
        "lost-update",
        "two transactions read one version and each wrote over it",
    ),
    (
        "lost-write",
        "acknowledged, older than something that was polled, and never polled itself",
    ),
    ("never-read", "sent, and in no read at all"),
    (
        "nonmonotonic-poll",
        "a client's poll went back behind its poll before",
    ),
    (
        "nonmonotonic-send",
        "a client's send got an offset below its send before",
    ),
    (
        "not",
        "the weakest consistency models that these anomalies rule out",
    ),
    (
        "op",
        "the first operation that fits into no order with those before it",
    ),
    (
        "poll-skip",
        "between two polls of a client offsets are left out that exist",
    ),
    (
        "previous-ok",
        "the last operation before that one that ended well",
    ),
    (
        "stable-latencies",
        "ms from when an element was known until every read had it, by quantile",
    ),
    (
        "stale",
        "known, missing from a later read, and there again in the end",
    ),
    ("unseen", "acknowledged, and in no poll"),
    (
        "worst-realtime-lag",
        "for how many seconds a client's polls went on without something that was acknowledged",
    ),
];

/// What `name` means, if it is one of those that need to be told.
pub(super) fn meaning(name: &str) -> Option<String> {
    // Elle marks how a circle came about behind the anomaly's name.
    const WAYS: [(&str, &str); 3] = [
        ("-realtime", ", given that one ended before another began"),
        ("-process", ", given the order of each client's own"),
        ("-item", ""),
    ];
    let (mut name, mut given) = (name, "");
    for (suffix, way) in WAYS {
        if let Some(stem) = name.strip_suffix(suffix) {
            name = stem;
            given = if given.is_empty() { way } else { given };
        }
    }
    let found = MEANINGS
        .binary_search_by_key(&name, |(name, _)| name)
        .ok()?;
    Some(format!("{}{given}", MEANINGS[found].1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for (name, sentence) in MEANINGS {
            assert_eq!(meaning(name).as_deref(), Some(sentence), "{name}");
        }
        assert_eq!(meaning("count"), None);
    }
}
