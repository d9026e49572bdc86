//! txn-list-append and txn-rw-register
//!
//! The weakest model that an anomaly rules out is what a history is held to, and the strongest
//! that allows it.

use glomer_workbench::checker::ConsistencyModel;
use glomer_workbench::edn::Edn;
use glomer_workbench::workload::Setting;

use crate::support::{Row, assert_has, edn, history, verdict, warning};

/// Checks the history and, beside it, two transactions that have to do with each other only:
/// a history without any dependencies is not valid.
fn txn(workload: &str, models: &str, lines: &str) -> Edn {
    let (write, read) = match workload {
        "txn-list-append" => ("[[:append 9 1]]", "[[:r 9 [1]]]"),
        _ => ("[[:w 9 1]]", "[[:r 9 1]]"),
    };
    let lines = format!(
        "{lines}
        8 invoke txn {write}
        8 ok txn {write}
        8 invoke txn [[:r 9 nil]]
        8 ok txn {read}"
    );
    txn_alone(workload, models, &lines)
}

fn txn_alone(workload: &str, models: &str, lines: &str) -> Edn {
    let mut options = Setting::new(1);
    options.consistency_models = models
        .split(',')
        .map(|name| name.parse::<ConsistencyModel>().unwrap())
        .collect();
    verdict(workload, &history(lines), &options)
}

/// Asserts that the history is valid under `allows`, and that under `forbids` exactly these types
/// of anomalies are found.
#[track_caller]
fn assert_anomaly(workload: &str, allows: &str, forbids: &str, types: &str, lines: &str) {
    if !allows.is_empty() {
        let results = txn(workload, allows, lines);
        assert_has(&results, "{:valid? true}");
    }
    let results = txn(workload, forbids, lines);
    assert_has(&results, "{:valid? false}");
    assert_eq!(
        results.get("anomaly-types"),
        Some(&edn(types)),
        "{}",
        results.pretty(100)
    );
    let anomalies = results.get("anomalies").unwrap().as_map().unwrap();
    let found: Vec<Edn> = anomalies.iter().map(|(kind, _)| kind.clone()).collect();
    assert_eq!(Edn::List(found), edn(types));
    for (kind, found) in anomalies {
        assert!(!found.as_seq().unwrap().is_empty(), "{kind}");
    }
}

#[track_caller]
fn append(allows: &str, forbids: &str, types: &str, lines: &str) {
    assert_anomaly("txn-list-append", allows, forbids, types, lines);
}

#[track_caller]
fn register(allows: &str, forbids: &str, types: &str, lines: &str) {
    assert_anomaly("txn-rw-register", allows, forbids, types, lines);
}

const LISTS: &str = "
    0 invoke txn [[:append 1 1] [:r 2 nil]]
    1 invoke txn [[:append 2 1] [:append 1 2]]
    0 ok txn [[:append 1 1] [:r 2 []]]
    1 ok txn [[:append 2 1] [:append 1 2]]
    2 invoke txn [[:append 2 2]]
    2 info txn [[:append 2 2]]
    3 invoke txn [[:append 2 3]]
    3 fail txn [[:append 2 3]]
    0 invoke txn [[:r 1 nil] [:r 2 nil] [:append 2 4] [:r 2 nil]]
    0 ok txn [[:r 1 [1 2]] [:r 2 [1]] [:append 2 4] [:r 2 [1 4]]]
    1 invoke txn [[:r 2 nil]]
    1 ok txn [[:r 2 [1 4 2]]]
    ";

const REGISTERS: &str = "
    0 invoke txn [[:w 1 1] [:r 2 nil]]
    1 invoke txn [[:w 2 1] [:w 1 2]]
    0 ok txn [[:w 1 1] [:r 2 nil]]
    1 ok txn [[:w 2 1] [:w 1 2]]
    2 invoke txn [[:w 2 2]]
    2 info txn [[:w 2 2]]
    3 invoke txn [[:w 2 3]]
    3 fail txn [[:w 2 3]]
    0 invoke txn [[:r 1 nil] [:r 2 nil] [:w 2 4] [:r 2 nil]]
    0 ok txn [[:r 1 2] [:r 2 1] [:w 2 4] [:r 2 4]]
    1 invoke txn [[:r 2 nil]]
    1 ok txn [[:r 2 2]]
    ";

#[test]
fn transactions_one_after_the_other_satisfy_every_model() {
    assert!(ConsistencyModel::all().len() > 20);
    for model in ConsistencyModel::all() {
        for (workload, lines) in [("txn-list-append", LISTS), ("txn-rw-register", REGISTERS)] {
            assert_has(&txn(workload, model.name(), lines), "{:valid? true}");
        }
    }
    assert_eq!(
        txn("txn-list-append", "strict-serializable", LISTS),
        edn("{:valid? true}")
    );
    assert_eq!(
        txn("txn-rw-register", "strict-serializable", REGISTERS),
        edn("{:valid? true, :anomaly-types (), :anomalies nil}")
    );
}

#[test]
fn g0_is_found() {
    append(
        "",
        "read-uncommitted",
        "(:G0)",
        "
        0 invoke txn [[:append 1 1] [:append 2 1]]
        1 invoke txn [[:append 1 2] [:append 2 2]]
        0 ok txn [[:append 1 1] [:append 2 1]]
        1 ok txn [[:append 1 2] [:append 2 2]]
        2 invoke txn [[:r 1 nil] [:r 2 nil]]
        2 ok txn [[:r 1 [1 2]] [:r 2 [2 1]]]
        ",
    );
}

#[test]
fn g1a_is_found() {
    append(
        "read-uncommitted",
        "read-committed",
        "(:G1a)",
        "
        0 invoke txn [[:append 1 1]]
        0 fail txn [[:append 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1]]]
        ",
    );
    register(
        "",
        "read-committed",
        "(:G1a)",
        "
        0 invoke txn [[:w 1 1]]
        0 fail txn [[:w 1 1]]
        1 invoke txn [[:r 1 nil] [:w 2 1]]
        1 ok txn [[:r 1 1] [:w 2 1]]
        2 invoke txn [[:r 2 nil]]
        2 ok txn [[:r 2 1]]
        ",
    );
}

#[test]
fn a_g1a_shows_reader_writer_and_element() {
    let results = txn(
        "txn-list-append",
        "read-committed",
        "
        0 invoke txn [[:append 1 7]]
        0 fail txn [[:append 1 7]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [7]]]
        ",
    );
    assert_eq!(
        results,
        edn("{:valid? false, :anomaly-types (:G1a),
              :anomalies {:G1a ({:op #jepsen.history.Op{:index 3, :time 30000000, :type :ok,
                                                        :process 1, :f :txn,
                                                        :value [[:r 1 [7]]]},
                                 :mop [:r 1 [7]],
                                 :writer #jepsen.history.Op{:index 1, :time 10000000,
                                                            :type :fail, :process 0, :f :txn,
                                                            :value [[:append 1 7]]},
                                 :element 7})},
              :not #{:read-committed},
              :also-not #{:causal-cerone :consistent-view :cursor-stability
                          :forward-consistent-view :monotonic-atomic-view
                          :monotonic-snapshot-read :monotonic-view
                          :parallel-snapshot-isolation :prefix :read-atomic :repeatable-read
                          :serializable :snapshot-isolation :strong-read-committed
                          :strong-serializable :strong-session-read-committed
                          :strong-session-serializable :strong-session-snapshot-isolation
                          :strong-snapshot-isolation :update-atomic :update-serializable}}")
    );
}

#[test]
fn the_parts_of_an_anomaly_are_in_elle_s_order() {
    let results = txn(
        "txn-list-append",
        "read-committed",
        "
        0 invoke txn [[:append 1 7]]
        0 fail txn [[:append 1 7]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [7]]]
        ",
    );
    let cases = results.get("anomalies").unwrap().get("G1a").unwrap();
    let parts = cases.as_seq().unwrap()[0].as_map().unwrap().iter();
    let parts: Vec<&str> = parts.filter_map(|(part, _)| part.name()).collect();
    assert_eq!(parts, ["op", "mop", "writer", "element"]);
}

#[test]
fn models_are_ruled_out_by_what_was_found_and_what_is_shown() {
    // Write skew, which repeatable read rules out.
    let skew = "
        0 invoke txn [[:r 1 nil] [:r 2 nil] [:append 1 1]]
        1 invoke txn [[:r 1 nil] [:r 2 nil] [:append 2 1]]
        0 ok txn [[:r 1 []] [:r 2 []] [:append 1 1]]
        1 ok txn [[:r 1 []] [:r 2 []] [:append 2 1]]
        ";
    // And a transaction that does not see its own append, which it allows.
    let blind = "
        0 invoke txn [[:append 3 1] [:r 3 nil]]
        0 ok txn [[:append 3 1] [:r 3 []]]
        1 invoke txn [[:r 3 nil]]
        1 ok txn [[:r 3 [1]]]
        ";
    let not = |lines: &str| {
        let results = txn("txn-list-append", "repeatable-read", lines);
        assert_has(&results, "{:anomaly-types (:G2-item)}");
        results.get("not").unwrap().to_string()
    };
    assert_eq!(not(skew), "#{:repeatable-read}");
    assert_eq!(
        not(&format!("{skew}{blind}")),
        "#{:read-atomic :repeatable-read}"
    );
    // What an answer hides counts as well.
    let hidden = "
        0 invoke txn [[:append 1 1] [:append 1 2]]
        0 ok txn [[:append 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1]]]
        ";
    let results = txn("txn-list-append", "serializable", hidden);
    assert_has(&results, "{:anomaly-types (:G1b), :not #{:read-committed}}");
}

#[test]
fn g1b_is_found() {
    append(
        "read-uncommitted",
        "read-committed",
        "(:G1b)",
        "
        0 invoke txn [[:append 1 1] [:append 1 2]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1]]]
        0 ok txn [[:append 1 1] [:append 1 2]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1 2]]]
        ",
    );
    register(
        "",
        "read-committed",
        "(:G1b)",
        "
        0 invoke txn [[:w 1 1] [:w 1 2]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 1]]
        0 ok txn [[:w 1 1] [:w 1 2]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 2]]
        ",
    );
}

#[test]
fn g1c_is_found() {
    append(
        "read-uncommitted",
        "read-committed",
        "(:G1c)",
        "
        0 invoke txn [[:append 1 1] [:r 2 nil]]
        1 invoke txn [[:append 2 1] [:r 1 nil]]
        0 ok txn [[:append 1 1] [:r 2 [1]]]
        1 ok txn [[:append 2 1] [:r 1 [1]]]
        ",
    );
    register(
        "read-uncommitted",
        "read-committed",
        "(:G1c)",
        "
        0 invoke txn [[:w 1 1] [:r 2 nil]]
        1 invoke txn [[:w 2 1] [:r 1 nil]]
        0 ok txn [[:w 1 1] [:r 2 1]]
        1 ok txn [[:w 2 1] [:r 1 1]]
        ",
    );
}

#[test]
fn a_cycle_shows_its_transactions_and_why_each_precedes_the_next() {
    let results = txn(
        "txn-list-append",
        "read-committed",
        "
        0 invoke txn [[:append 1 1] [:r 2 nil]]
        1 invoke txn [[:append 2 1] [:r 1 nil]]
        0 ok txn [[:append 1 1] [:r 2 [1]]]
        1 ok txn [[:append 2 1] [:r 1 [1]]]
        ",
    );
    let anomalies = results.get("anomalies").unwrap();
    let cycle = &anomalies.get("G1c").unwrap().as_seq().unwrap()[0];
    assert_has(
        cycle,
        r#"{:type :G1c,
            :steps ({:type :wr, :why "T3 observed T2's append of 1 to key 1"}
                    {:type :wr, :why "T2 observed T3's append of 1 to key 2"})}"#,
    );
    let ops = cycle.get("cycle").unwrap().as_seq().unwrap();
    let indices: Vec<Option<i64>> = ops
        .iter()
        .map(|op| op.get("index").and_then(Edn::as_int))
        .collect();
    assert_eq!(indices, [Some(2), Some(3), Some(2)]);
}

#[test]
fn g_single_is_found() {
    // A reader sees one write of another transaction and misses the other.
    append(
        "read-committed",
        "snapshot-isolation",
        "(:G-single-item)",
        "
        0 invoke txn [[:append 1 1] [:append 2 1]]
        1 invoke txn [[:r 1 nil] [:r 2 nil]]
        0 ok txn [[:append 1 1] [:append 2 1]]
        1 ok txn [[:r 1 []] [:r 2 [1]]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1]]]
        ",
    );
    register(
        "read-committed",
        "snapshot-isolation",
        "(:G-single-item)",
        "
        0 invoke txn [[:w 1 1] [:w 2 1]]
        1 invoke txn [[:r 1 nil] [:r 2 nil]]
        0 ok txn [[:w 1 1] [:w 2 1]]
        1 ok txn [[:r 1 nil] [:r 2 1]]
        ",
    );
}

#[test]
fn g2_is_found() {
    // Write skew.
    append(
        "snapshot-isolation",
        "repeatable-read",
        "(:G2-item)",
        "
        0 invoke txn [[:r 1 nil] [:r 2 nil] [:append 1 1]]
        1 invoke txn [[:r 1 nil] [:r 2 nil] [:append 2 1]]
        0 ok txn [[:r 1 []] [:r 2 []] [:append 1 1]]
        1 ok txn [[:r 1 []] [:r 2 []] [:append 2 1]]
        ",
    );
    register(
        "snapshot-isolation",
        "serializable",
        "(:G2-item)",
        "
        0 invoke txn [[:r 1 nil] [:r 2 nil] [:w 1 1]]
        1 invoke txn [[:r 1 nil] [:r 2 nil] [:w 2 1]]
        0 ok txn [[:r 1 nil] [:r 2 nil] [:w 1 1]]
        1 ok txn [[:r 1 nil] [:r 2 nil] [:w 2 1]]
        ",
    );
}

#[test]
fn g_nonadjacent_is_found() {
    // A long fork: two readers see two independent writes in opposite orders.
    append(
        "read-committed",
        "snapshot-isolation",
        "(:G-nonadjacent-item)",
        "
        0 invoke txn [[:append 1 1]]
        1 invoke txn [[:append 2 1]]
        2 invoke txn [[:r 1 nil] [:r 2 nil]]
        3 invoke txn [[:r 1 nil] [:r 2 nil]]
        0 ok txn [[:append 1 1]]
        1 ok txn [[:append 2 1]]
        2 ok txn [[:r 1 [1]] [:r 2 []]]
        3 ok txn [[:r 1 []] [:r 2 [1]]]
        ",
    );
}

#[test]
fn a_lost_update_is_found() {
    append(
        "read-committed",
        "update-atomic",
        "(:lost-update)",
        "
        0 invoke txn [[:r 1 nil] [:append 1 1]]
        1 invoke txn [[:r 1 nil] [:append 1 2]]
        0 ok txn [[:r 1 []] [:append 1 1]]
        1 ok txn [[:r 1 []] [:append 1 2]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1 2]]]
        ",
    );
    register(
        "read-committed",
        "update-atomic",
        "(:lost-update)",
        "
        2 invoke txn [[:w 1 9]]
        2 ok txn [[:w 1 9]]
        0 invoke txn [[:r 1 nil] [:w 1 1]]
        1 invoke txn [[:r 1 nil] [:w 1 2]]
        0 ok txn [[:r 1 9] [:w 1 1]]
        1 ok txn [[:r 1 9] [:w 1 2]]
        ",
    );
}

#[test]
fn transactions_that_contradict_themselves_are_found() {
    append(
        "read-committed",
        "read-atomic",
        "(:internal)",
        "
        0 invoke txn [[:append 1 1] [:r 1 nil]]
        0 ok txn [[:append 1 1] [:r 1 []]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1]]]
        ",
    );
    register(
        "read-committed",
        "read-atomic",
        "(:internal)",
        "
        0 invoke txn [[:w 1 1] [:r 1 nil]]
        1 invoke txn [[:w 1 2]]
        1 ok txn [[:w 1 2]]
        0 ok txn [[:w 1 1] [:r 1 2]]
        ",
    );
    append(
        "",
        "read-committed",
        "(:future-read)",
        "
        0 invoke txn [[:r 1 nil] [:append 1 1]]
        0 ok txn [[:r 1 [1]] [:append 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1]]]
        ",
    );
}

#[test]
fn an_internal_contradiction_shows_what_was_expected() {
    for (answer, expected) in [
        // What was there before the append is not known.
        ("[[:append 1 1] [:r 1 [2]]]", "[... 1]"),
        // This transaction saw it.
        ("[[:r 1 [2]] [:append 1 1] [:r 1 [1 2]]]", "[2 1]"),
    ] {
        let results = txn(
            "txn-list-append",
            "read-atomic",
            &format!(
                "0 invoke txn [[:append 1 2]]\n0 ok txn [[:append 1 2]]
                 1 invoke txn {answer}\n1 ok txn {answer}"
            ),
        );
        let cases = results.get("anomalies").unwrap().get("internal").unwrap();
        assert_has(
            &cases.as_seq().unwrap()[0],
            &format!("{{:expected {expected}}}"),
        );
    }
}

#[test]
fn lists_with_a_wrong_content_are_found() {
    append(
        "",
        "read-uncommitted",
        "(:duplicate-elements)",
        "
        0 invoke txn [[:append 1 1]]
        0 ok txn [[:append 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 [1 1]]]
        ",
    );
    append(
        "read-uncommitted",
        "read-committed",
        "(:incompatible-order)",
        "
        0 invoke txn [[:append 1 1]]
        1 invoke txn [[:append 1 2]]
        2 invoke txn [[:r 1 nil]]
        3 invoke txn [[:r 1 nil]]
        0 ok txn [[:append 1 1]]
        1 ok txn [[:append 1 2]]
        2 ok txn [[:r 1 [1 2]]]
        3 ok txn [[:r 1 [2 1]]]
        ",
    );
    append(
        "read-uncommitted",
        "read-committed",
        "(:G1a :dirty-update)",
        "
        0 invoke txn [[:append 1 1]]
        0 fail txn [[:append 1 1]]
        1 invoke txn [[:append 1 2]]
        1 ok txn [[:append 1 2]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1 2]]]
        ",
    );
}

#[test]
fn versions_that_follow_each_other_in_a_circle_are_found() {
    register(
        "",
        "read-uncommitted",
        "(:cyclic-versions)",
        "
        0 invoke txn [[:r 1 nil] [:w 1 2]]
        1 invoke txn [[:r 1 nil] [:w 1 1]]
        0 ok txn [[:r 1 1] [:w 1 2]]
        1 ok txn [[:r 1 2] [:w 1 1]]
        ",
    );
}

#[test]
fn values_that_nobody_wrote_are_found_under_every_model() {
    for model in ["read-uncommitted", "strict-serializable"] {
        append(
            "",
            model,
            "(:unwritten-read)",
            "
            0 invoke txn [[:append 1 1]]
            0 ok txn [[:append 1 1]]
            1 invoke txn [[:r 2 nil] [:r 1 nil]]
            1 ok txn [[:r 2 []] [:r 1 [1 99]]]
            ",
        );
    }
}

#[test]
fn an_unwritten_read_shows_the_read_and_its_first_such_element() {
    let results = txn(
        "txn-list-append",
        "serializable",
        "
        0 invoke txn [[:append 1 1]]
        0 ok txn [[:append 1 1]]
        1 invoke txn [[:r 2 nil] [:r 1 nil]]
        1 ok txn [[:r 2 []] [:r 1 [1 98 99]]]
        ",
    );
    assert_has(
        results.get("anomalies").unwrap(),
        "{:unwritten-read ({:op #jepsen.history.Op{:index 3, :time 30000000, :type :ok,
                                                   :process 1, :f :txn,
                                                   :value [[:r 2 []] [:r 1 [1 98 99]]]},
                            :mop [:r 1 [1 98 99]],
                            :element 98})}",
    );
}

#[test]
fn registers_with_values_that_nobody_wrote_are_a_warning() {
    let read = |value: &str| {
        let lines = format!(
            "
            0 invoke txn [[:r 1 nil] [:w 1 1]]
            0 ok txn [[:r 1 0] [:w 1 1]]
            1 invoke txn [[:r 2 nil]]
            1 ok txn [[:r 2 {value}]]
            "
        );
        txn("txn-rw-register", "strict-serializable", &lines)
    };
    let results = read("0");
    assert_has(
        &results,
        "{:valid? true, :anomaly-types (), :anomalies nil}",
    );
    assert_eq!(
        warning(&results),
        "reads returned 0 for registers that nobody wrote (2 reads, the first in operation 1): \
         answer null; Maelstrom does not mind"
    );
    let results = read("7");
    assert_has(&results, "{:valid? true}");
    assert_eq!(
        warning(&results),
        "reads returned what nobody wrote (2 reads, the first is [:r 1 0] in operation 1): a \
         register that nobody wrote reads as null; Maelstrom does not mind"
    );
    assert_eq!(
        warning(&read("nil")),
        "reads returned 0 for registers that nobody wrote (1 read, the first in operation 1): \
         answer null; Maelstrom does not mind"
    );
}

#[test]
fn the_order_of_time_counts_under_strict_models_only() {
    // A transaction that began after another ended does not see it.
    append(
        "serializable",
        "strict-serializable",
        "(:G-single-item-realtime)",
        "
        0 invoke txn [[:append 1 1]]
        0 ok txn [[:append 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 []]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1]]]
        ",
    );
    register(
        "serializable",
        "strict-serializable",
        "(:G-single-item-realtime)",
        "
        0 invoke txn [[:w 1 1]]
        0 ok txn [[:w 1 1]]
        1 invoke txn [[:r 1 nil]]
        1 ok txn [[:r 1 nil]]
        ",
    );
}

#[test]
fn the_order_of_a_process_counts_in_its_session() {
    // A process does not see what it did itself.
    append(
        "serializable",
        "strong-session-serializable",
        "(:G-single-item-process)",
        "
        0 invoke txn [[:append 1 1]]
        0 ok txn [[:append 1 1]]
        0 invoke txn [[:r 1 nil]]
        0 ok txn [[:r 1 []]]
        2 invoke txn [[:r 1 nil]]
        2 ok txn [[:r 1 [1]]]
        ",
    );
}

#[test]
fn indeterminate_transactions_count_once_they_were_seen() {
    let lines = |seen: &str| {
        format!(
            "
            0 invoke txn [[:append 1 1] [:append 2 1]]
            0 info txn [[:append 1 1] [:append 2 1]]
            1 invoke txn [[:r 1 nil] [:r 2 nil]]
            1 ok txn [[:r 1 []] [:r 2 []]]
            2 invoke txn [[:r 1 nil] [:r 2 nil]]
            2 ok txn [{seen}]
            "
        )
    };
    for seen in ["[:r 1 []] [:r 2 []]", "[:r 1 [1]] [:r 2 [1]]"] {
        let results = txn("txn-list-append", "strict-serializable", &lines(seen));
        assert_has(&results, "{:valid? true}");
    }
    append(
        "",
        "serializable",
        "(:G-single-item)",
        &lines("[:r 1 [1]] [:r 2 []]"),
    );
}

#[test]
fn a_history_that_says_nothing() {
    // As in Maelstrom, this is unknown for lists and invalid for registers.
    let results = txn_alone("txn-list-append", "serializable", "");
    assert_has(
        &results,
        "{:valid? :unknown, :anomaly-types (:empty-transaction-graph)}",
    );
    let results = txn_alone("txn-rw-register", "serializable", "");
    assert_has(
        &results,
        "{:valid? false, :anomaly-types (:empty-transaction-graph)}",
    );
}

#[test]
fn what_is_not_a_transaction_is_unknown() {
    for (workload, value) in [
        ("txn-list-append", "nil"),
        ("txn-list-append", "[[:r 1]]"),
        ("txn-list-append", "[[:w 1 1]]"),
        ("txn-list-append", "[[:r 1 7]]"),
        ("txn-rw-register", "[[:append 1 1]]"),
        ("txn-rw-register", "[7]"),
    ] {
        let results = txn(
            workload,
            "serializable",
            &format!("0 invoke txn []\n0 ok txn {value}"),
        );
        assert_has(&results, "{:valid? :unknown}");
        assert!(results.get("error").is_some(), "{value}");
    }
}

#[test]
fn models_have_their_names_and_adyas() {
    for (name, same) in [
        ("PL-1", "read-uncommitted"),
        ("PL-2", "read-committed"),
        ("PL-2.99", "repeatable-read"),
        ("PL-SI", "snapshot-isolation"),
        ("PL-3", "serializable"),
        ("PL-SS", "strict-serializable"),
        ("strong-serializable", "strict-serializable"),
    ] {
        assert_eq!(name.parse::<ConsistencyModel>().unwrap().name(), same);
    }
    assert!("serialisable".parse::<ConsistencyModel>().is_err());
    for model in ConsistencyModel::all() {
        assert_eq!(model.name().parse(), Ok(model));
    }
}

/// A table of what a transaction can be answered, by the workloads' two checkers. Beside each
/// history stand two transactions that give the graph an edge. The model rules out what is in
/// the table, and none of the cycles that some of these histories have as well.
#[test]
fn the_verdict_over_answers_is_maelstroms() {
    const IM: &str = "elle.txn/intermediate-write-indices";
    const DIRTY: &str = "elle.list-append/dirty-update-cases";
    const TYPES: &str = "elle.txn/assert-type-sanity";
    const WR: &str = "elle.rw-register/wr-graph";
    const INT: &str = "elle.list-append/op-int-case";
    const REGISTER_INT: &str = "elle.rw-register/op-internal-case";
    const UNIQUE: &str = "elle.list-append/verify-unique-appends";
    let lists: &[Row<'_>] = &[
        (
            "ok: a write is missing from the answer, and the list ends with the one before it",
            IM,
            "false",
            "0 invoke txn [[:append 1 1] [:append 1 2]]
             0 ok txn [[:append 1 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]",
        ),
        (
            "ok: the same within one transaction",
            IM,
            "false",
            "0 invoke txn [[:append 1 1] [:r 1 nil] [:append 1 2]]
             0 ok txn [[:append 1 1] [:r 1 [1]]]",
        ),
        (
            "ok: the same, with the write in the answer",
            IM,
            "true",
            "0 invoke txn [[:append 1 1] [:r 1 nil] [:append 1 2]]
             0 ok txn [[:append 1 1] [:r 1 [1]] [:append 1 2]]",
        ),
        (
            "ok: an empty answer to the only append to a key",
            DIRTY,
            ":unknown",
            "0 invoke txn [[:append 1 1]]
             0 ok txn []",
        ),
        (
            "ok: empty answers to two appends to a key that is never read",
            DIRTY,
            "true",
            "0 invoke txn [[:append 1 1]]
             0 ok txn []
             0 invoke txn [[:append 1 2]]
             0 ok txn []",
        ),
        (
            "ok: an element is read whose append was answered for another key",
            DIRTY,
            ":unknown",
            "0 invoke txn [[:append 1 1]]
             0 ok txn [[:append 2 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]",
        ),
        (
            "ok: the longer of two lists has an element whose append was answered as if it had not",
            DIRTY,
            ":unknown",
            "0 invoke txn [[:append 1 1]]
             0 ok txn [[:append 1 1]]
             0 invoke txn [[:append 1 2]]
             0 ok txn []
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1 2]]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]",
        ),
        (
            "ok: the same, and the longer one is read later",
            DIRTY,
            ":unknown",
            "0 invoke txn [[:append 1 1]]
             0 ok txn [[:append 1 1]]
             0 invoke txn [[:append 1 2]]
             0 ok txn []
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1 2]]]",
        ),
        (
            "ok: a read is missing from the answer",
            DIRTY,
            "true",
            "0 invoke txn [[:append 1 1] [:r 1 nil]]
             0 ok txn [[:append 1 1]]",
        ),
        (
            "info: an append that may have happened is read",
            DIRTY,
            "true",
            "0 invoke txn [[:append 1 1]]
             0 info txn [[:append 1 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]",
        ),
        (
            "no completion: the same",
            DIRTY,
            "true",
            "0 invoke txn [[:append 1 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 [1]]]",
        ),
        (
            "ok: null, then a list, within one transaction",
            INT,
            "true",
            "0 invoke txn [[:r 1 nil] [:r 1 nil]]
             1 invoke txn [[:append 1 1]]
             1 ok txn [[:append 1 1]]
             0 ok txn [[:r 1 nil] [:r 1 [1]]]",
        ),
        (
            "ok: an empty list, then another, within one transaction",
            INT,
            "false",
            "0 invoke txn [[:r 1 nil] [:r 1 nil]]
             1 invoke txn [[:append 1 1]]
             1 ok txn [[:append 1 1]]
             0 ok txn [[:r 1 []] [:r 1 [1]]]",
        ),
        (
            "ok: an empty list, then null, within one transaction",
            INT,
            "false",
            "0 invoke txn [[:r 1 nil] [:r 1 nil]]
             0 ok txn [[:r 1 []] [:r 1 nil]]",
        ),
        (
            "ok: null, an append, and a list with more than that",
            INT,
            "false",
            "0 invoke txn [[:r 1 nil] [:append 1 1] [:r 1 nil]]
             1 invoke txn [[:append 1 2]]
             1 ok txn [[:append 1 2]]
             0 ok txn [[:r 1 nil] [:append 1 1] [:r 1 [2 1]]]",
        ),
        (
            "ok: an empty answer to the only append to a key, and a failed append that was read",
            "elle.list-append/g1a-cases",
            "false",
            "0 invoke txn [[:append 1 1]]
             0 ok txn []
             2 invoke txn [[:append 3 1]]
             2 fail txn [[:append 3 1]]
             1 invoke txn [[:r 3 nil]]
             1 ok txn [[:r 3 [1]]]",
        ),
        (
            "invoke: an element is to be appended twice",
            UNIQUE,
            ":unknown",
            "0 invoke txn [[:append 1 1]]
             0 ok txn [[:append 1 1]]
             0 invoke txn [[:append 1 1]]
             0 ok txn [[:append 1 1]]",
        ),
    ];
    let registers: &[Row<'_>] = &[
        (
            "ok: a write is missing from the answer, and the one before it is read",
            IM,
            "false",
            "0 invoke txn [[:w 1 1] [:w 1 2]]
             0 ok txn [[:w 1 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 1]]",
        ),
        (
            "ok: empty answers",
            WR,
            "true",
            "0 invoke txn [[:w 1 1]]
             0 ok txn []
             1 invoke txn [[:r 1 nil]]
             1 ok txn []",
        ),
        (
            "ok: keys have become strings",
            TYPES,
            ":unknown",
            "0 invoke txn [[:w 1 1]]
             0 ok txn [[:w \"1\" 1]]",
        ),
        (
            "ok: two transactions say that they wrote the same, and it is read",
            WR,
            ":unknown",
            "0 invoke txn [[:w 1 1]]
             0 ok txn [[:w 1 1]]
             1 invoke txn [[:w 2 1]]
             1 ok txn [[:w 1 1]]
             1 invoke txn [[:r 1 nil]]
             1 ok txn [[:r 1 1]]",
        ),
        (
            "ok: the same, and nobody reads it",
            WR,
            "true",
            "0 invoke txn [[:w 1 1]]
             0 ok txn [[:w 1 1]]
             1 invoke txn [[:w 2 1]]
             1 ok txn [[:w 1 1]]",
        ),
        (
            "ok: the same, and there is an anomaly elsewhere",
            "elle.rw-register/g1a-cases",
            "false",
            "0 invoke txn [[:w 1 1]]
             0 ok txn [[:w 1 1]]
             1 invoke txn [[:w 2 1]]
             1 ok txn [[:w 1 1]]
             2 invoke txn [[:w 3 1]]
             2 fail txn [[:w 3 1]]
             1 invoke txn [[:r 3 nil]]
             1 ok txn [[:r 3 1]]",
        ),
        (
            "ok: the same, it is read, and there is an anomaly elsewhere",
            "elle.rw-register/g1a-cases",
            "false",
            "0 invoke txn [[:w 1 1]]
             0 ok txn [[:w 1 1]]
             1 invoke txn [[:w 2 1]]
             1 ok txn [[:w 1 1]]
             2 invoke txn [[:w 3 1]]
             2 fail txn [[:w 3 1]]
             1 invoke txn [[:r 1 nil] [:r 3 nil]]
             1 ok txn [[:r 1 1] [:r 3 1]]",
        ),
        (
            "ok: null, then a value, within one transaction",
            REGISTER_INT,
            "true",
            "0 invoke txn [[:r 1 nil] [:r 1 nil]]
             1 invoke txn [[:w 1 1]]
             1 ok txn [[:w 1 1]]
             0 ok txn [[:r 1 nil] [:r 1 1]]",
        ),
        (
            "ok: a value, then null, within one transaction",
            REGISTER_INT,
            "false",
            "1 invoke txn [[:w 1 1]]
             1 ok txn [[:w 1 1]]
             0 invoke txn [[:r 1 nil] [:r 1 nil]]
             0 ok txn [[:r 1 1] [:r 1 nil]]",
        ),
        (
            "ok: another value than the one just written",
            REGISTER_INT,
            "false",
            "0 invoke txn [[:w 1 1] [:r 1 nil]]
             0 ok txn [[:w 1 1] [:r 1 2]]",
        ),
        (
            "ok: a wide number is not its neighbour",
            REGISTER_INT,
            "false",
            "0 invoke txn [[:r 1 nil] [:r 1 nil]]
             0 ok txn [[:r 1 1267650600228229401496703205377] [:r 1 1267650600228229401496703205379]]",
        ),
    ];
    for (workload, rows) in [("txn-list-append", lists), ("txn-rw-register", registers)] {
        for (told, source, valid, lines) in rows {
            let results = txn(workload, "read-atomic", lines);
            let found = results.get("valid?").cloned();
            let results = results.pretty(100);
            assert_eq!(found, Some(edn(valid)), "{told} ({source}): {results}");
        }
    }
}

#[test]
fn answers_that_are_not_what_was_asked_are_a_warning() {
    let results = txn(
        "txn-rw-register",
        "strict-serializable",
        "
        0 invoke txn [[:w 1 1] [:r 2 nil]]
        0 ok txn [[:w 1 1]]
        0 invoke txn [[:w 1 2]]
        0 ok txn [[:w 1 3]]
        0 invoke txn [[:r 3 nil]]
        0 ok txn [[:r 3 nil]]
        ",
    );
    assert_has(&results, "{:valid? true}");
    assert_eq!(
        warning(&results),
        "2 transactions were answered with other operations than they asked for, the first in \
         operation 1, [[:w 1 1] [:r 2 nil]] with [[:w 1 1]]: an answer repeats what was asked, \
         with what was read"
    );
}

#[test]
fn every_part_of_an_operation_is_asked_for_and_answered() {
    for (asked, answered) in [
        ("[:w 1 1]", "[:r 1 1]"),
        ("[:r 1 nil]", "[:r 2 nil]"),
        ("[:w 1 1]", "[:w 2 1]"),
        ("[:w 1 1]", "[:w 1 2]"),
    ] {
        let lines = format!("0 invoke txn [{asked}]\n0 ok txn [{answered}]");
        let results = txn("txn-rw-register", "read-uncommitted", &lines);
        let warnings = results.get("warnings").and_then(Edn::as_seq).unwrap_or(&[]);
        let told = format!("the first in operation 1, [{asked}] with [{answered}]: ");
        assert!(
            warnings.iter().any(|it| it.name().unwrap().contains(&told)),
            "{asked} {answered}: {results}"
        );
    }
}
