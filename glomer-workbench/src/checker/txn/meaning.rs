//! What the anomalies of transactions mean: Adya's ("Weak Consistency", 1999), as Elle extends
//! and names them.

/// How a circle came about, as Elle marks it behind the anomaly's name: by the data alone, given
/// the order of each client's own transactions, or given real time.
macro_rules! circle {
    ($meaning:literal) => {
        [
            $meaning,
            concat!($meaning, ", given the order of each client's own"),
            concat!($meaning, ", given that one ended before another began"),
        ]
    };
}

const CIRCLES: [(&str, [&str; 3]); 5] = [
    (
        "G0",
        circle!("transactions overwrote each other's writes in a circle (dirty write)"),
    ),
    (
        "G1c",
        circle!("transactions saw each other's writes in a circle (circular information flow)"),
    ),
    (
        "G-nonadjacent",
        circle!(
            "transactions form a circle through reads of what was since overwritten, no two of them in succession"
        ),
    ),
    (
        "G-single",
        circle!(
            "transactions form a circle through one read of what was since overwritten (read skew)"
        ),
    ),
    (
        "G2",
        circle!(
            "transactions form a circle through reads of what was since overwritten (write skew)"
        ),
    ),
];

/// What an anomaly means, or a figure beside it.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    let (stem, way) = if let Some(stem) = name.strip_suffix("-realtime") {
        (stem, 2)
    } else if let Some(stem) = name.strip_suffix("-process") {
        (stem, 1)
    } else {
        (name, 0)
    };
    let stem = stem.strip_suffix("-item").unwrap_or(stem);
    if let Some((_, ways)) = CIRCLES.iter().find(|(circle, _)| *circle == stem) {
        return Some(ways[way]);
    }
    Some(match name {
        "G1a" => "a read saw the write of a transaction that failed (aborted read)",
        "G1b" => "a read saw a write that its own transaction overwrote (intermediate read)",
        "also-not" => "what these anomalies rule out, too, since each of it promises more",
        "cyclic-versions" => "the versions of a key follow each other in a circle",
        "dirty-update" => "a transaction built on the write of one that failed",
        "duplicate-elements" => "a read has one element more than once",
        "empty-transaction-graph" => {
            "no operation saw anything of another, so nothing could be told"
        }
        "future-read" => "a transaction read what it wrote only later",
        "incompatible-order" => "reads of one key disagree about the order of its elements",
        "internal" => "a transaction's read contradicts what it read or wrote before",
        "lost-update" => "two transactions read one version and each wrote over it",
        "unwritten-read" => "a read has what no transaction wrote",
        "not" => "the weakest consistency models that these anomalies rule out",
        _ => return None,
    })
}
