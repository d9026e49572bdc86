//! Histories that Maelstrom 0.2.4 recorded, and what it said about them.
//!
//! `histories/*/results.edn` are Maelstrom's own results. Of four histories with hundreds of
//! errors they are abridged: reduced to the parts that a history determines, and every operation
//! in them to its index.

use glomer_workbench::checked;
use glomer_workbench::checker::ConsistencyModel;
use glomer_workbench::edn::Edn;
use glomer_workbench::history::History;
use glomer_workbench::workload::{Setting, Workloads};

/// The parts that a history determines.
const PARTS: [&str; 5] = ["exceptions", "stats", "availability", "workload", "valid?"];

fn check(workload: &str, history: &str, setting: &Setting) -> Edn {
    results(workload, &History::from_edn(history).unwrap(), setting)
}

fn results(workload: &str, history: &History, setting: &Setting) -> Edn {
    let workloads = Workloads::default();
    let workload = workloads.get(workload).unwrap();
    checked::check(workload, setting, history, None).to_edn(history)
}

/// A history that went through JSON, where keywords are strings, gets the same results.
#[test]
fn the_notation_makes_no_difference() {
    macro_rules! both {
        ($($name:ident $workload:literal;)*) => { $(
            let edn = include_str!(concat!("histories/", stringify!($name), "/history.edn"));
            let edn = History::from_edn(edn).unwrap();
            let json = History::from_jsonl(&edn.to_jsonl().unwrap()).unwrap();
            let check = |history| {
                results($workload, history, &Setting::new(1)).to_json()
            };
            assert_eq!(check(&json), check(&edn), stringify!($name));
        )* };
    }
    both! {
        append_stale "txn-list-append";
        bcast_repair_part "broadcast";
        gset_ok "g-set";
        ids_dup "unique-ids";
        kafka_lost "kafka";
        lin_stale "lin-kv";
        pn_lossy "pn-counter";
        rw_dirty "txn-rw-register";
    }
}

/// Reduces every operation to its index.
fn abridge(value: &Edn) -> Edn {
    let all = |items: &[Edn]| items.iter().map(abridge).collect();
    match value {
        Edn::Tagged(tag, op) if tag == "jepsen.history.Op" => op.get("index").unwrap().clone(),
        Edn::List(items) => Edn::List(all(items)),
        Edn::Vector(items) => Edn::Vector(all(items)),
        Edn::Map(entries) => Edn::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), abridge(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn get<'a>(map: &'a Edn, path: &[&str]) -> &'a Edn {
    path.iter()
        .try_fold(map, |map, key| map.get(key))
        .unwrap_or_else(|| panic!("no {path:?}"))
}

fn sorted(items: &Edn) -> Vec<Edn> {
    let mut items = items.as_seq().unwrap().to_vec();
    items.sort();
    items
}

/// Everything is the same: figures, orders, witnesses.
macro_rules! same {
    ($($name:ident $workload:literal;)*) => { $(
        #[test]
        fn $name() {
            let history = include_str!(concat!("histories/", stringify!($name), "/history.edn"));
            let recorded = include_str!(concat!("histories/", stringify!($name), "/results.edn"));
            let recorded = Edn::parse(recorded).unwrap();
            let ours = check($workload, history, &Setting::new(1));
            for part in PARTS {
                let pretty = |map: &Edn| map.get(part).unwrap().pretty(Edn::RESULTS_WIDTH);
                assert_eq!(pretty(&ours), pretty(&recorded), "{part}");
            }
        }
    )* };
}

same! {
    append_ok "txn-list-append";
    bcast_lossy "broadcast";
    bcast_repair_part "broadcast";
    broadcast_3b "broadcast";
    gset_ok "g-set";
    gcounter_ok "g-counter";
    ids_dup "unique-ids";
    kafka_ok "kafka";
    lin_ok "lin-kv";
    lin_stale "lin-kv";
    pn_lossy "pn-counter";
    rw_ok "txn-rw-register";
}

/// The recorded results and ours, both abridged, of which everything outside `:workload` was
/// compared already.
fn workloads(recorded: &str, ours: &Edn) -> (Edn, Edn) {
    let recorded = Edn::parse(recorded).unwrap();
    for part in ["exceptions", "stats", "availability", "valid?"] {
        assert_eq!(get(ours, &[part]), get(&recorded, &[part]), "{part}");
    }
    (
        get(&recorded, &["workload"]).clone(),
        abridge(get(ours, &["workload"])),
    )
}

fn read_committed() -> Setting {
    let model: ConsistencyModel = "read-committed".parse().unwrap();
    let mut setting = Setting::new(1);
    setting.consistency_models = vec![model];
    setting
}

/// Verdict, anomaly types, ruled-out models, and every single anomaly with its witnesses are the
/// same. Only their order is not: Elle's comes from hash tables.
fn same_anomalies(recorded: &Edn, ours: &Edn) {
    for part in ["valid?", "anomaly-types", "not", "also-not"] {
        assert_eq!(get(ours, &[part]), get(recorded, &[part]), "{part}");
    }
    let recorded = get(recorded, &["anomalies"]).as_map().unwrap();
    assert_eq!(
        get(ours, &["anomalies"]).as_map().unwrap().len(),
        recorded.len()
    );
    for (kind, anomalies) in recorded {
        let ours = get(ours, &["anomalies", kind.name().unwrap()]);
        assert_eq!(sorted(ours), sorted(anomalies), "{kind}");
    }
}

#[test]
fn append_dirty() {
    let ours = check(
        "txn-list-append",
        include_str!("histories/append_dirty/history.edn"),
        &read_committed(),
    );
    let (recorded, ours) = workloads(include_str!("histories/append_dirty/results.edn"), &ours);
    same_anomalies(&recorded, &ours);
}

#[test]
fn rw_dirty() {
    let ours = check(
        "txn-rw-register",
        include_str!("histories/rw_dirty/history.edn"),
        &read_committed(),
    );
    let (recorded, ours) = workloads(include_str!("histories/rw_dirty/results.edn"), &ours);
    same_anomalies(&recorded, &ours);
}

/// Verdict, anomaly types and ruled-out models are the same, and so is the number of cycles, one
/// for each of 50 strongly connected sets of transactions. Which of its cycles is shown of a set
/// is a matter of search order, so the cycles are not compared. Elle's search is not exhaustive:
/// of one set it shows a G2-item-realtime, though there is a G-single-item-realtime, which is
/// worse (173 did not see the append of 165, which 168 built on, and 171 on that, and 171 ended
/// before 173 began).
#[test]
fn append_stale() {
    let ours = check(
        "txn-list-append",
        include_str!("histories/append_stale/history.edn"),
        &Setting::new(1),
    );
    let (recorded, ours) = workloads(include_str!("histories/append_stale/results.edn"), &ours);
    for part in ["valid?", "anomaly-types", "not", "also-not"] {
        assert_eq!(get(&ours, &[part]), get(&recorded, &[part]), "{part}");
    }
    let count = |results: &Edn, kind| get(results, &["anomalies", kind]).as_seq().unwrap().len();
    let counts = |results| {
        (
            count(results, "G-single-item-realtime"),
            count(results, "G2-item-realtime"),
        )
    };
    assert_eq!(counts(&recorded), (48, 2));
    assert_eq!(counts(&ours), (49, 1));
    let missed = Edn::parse("[173 165 168 171 173]").unwrap();
    let shown = get(&ours, &["anomalies", "G-single-item-realtime"]);
    assert!(
        shown
            .as_seq()
            .unwrap()
            .iter()
            .any(|cycle| *get(cycle, &["cycle"]) == missed)
    );
}

/// Everything is the same but the choice, among errors that are equally bad, of those shown: for
/// skips Jepsen takes the last eight in the order of its hash tables. Of these the counts are
/// the same, and those shown have the same deltas.
#[test]
fn kafka_lost() {
    let ours = check(
        "kafka",
        include_str!("histories/kafka_lost/history.edn"),
        &Setting::new(1),
    );
    let (recorded, ours) = workloads(include_str!("histories/kafka_lost/results.edn"), &ours);
    assert_eq!(
        ours.as_map().unwrap().len(),
        recorded.as_map().unwrap().len()
    );
    for part in [
        "valid?",
        "error-types",
        "bad-error-types",
        "info-txn-causes",
        "worst-realtime-lag",
        "unseen",
    ] {
        assert_eq!(get(&ours, &[part]), get(&recorded, &[part]), "{part}");
    }
    for all_shown in ["lost-write", "poll-skip"] {
        let errors = |results| sorted(get(results, &[all_shown, "errs"]));
        assert_eq!(errors(&ours), errors(&recorded), "{all_shown}");
    }
    for some_shown in ["lost-write", "poll-skip", "int-poll-skip"] {
        let count = |results| get(results, &[some_shown, "count"]).clone();
        assert_eq!(count(&ours), count(&recorded), "{some_shown}");
        let deltas = |results| -> Vec<Option<Edn>> {
            let errors = get(results, &[some_shown, "errs"]).as_seq().unwrap();
            errors
                .iter()
                .map(|error| error.get("delta").cloned())
                .collect()
        };
        assert_eq!(deltas(&ours), deltas(&recorded), "{some_shown}");
    }
}
