//! broadcast and g-set

use glomer_workbench::workload::Setting;

use crate::support::{assert_has, assert_table, check, history, verdict};

#[test]
fn what_was_added_and_is_read_ever_after_is_stable() {
    let results = check(
        "broadcast",
        "
        0 invoke broadcast 1
        1 invoke read
        0 ok broadcast 1
        1 ok read []
        1 invoke read
        1 ok read [1]
        ",
    );
    assert_has(
        &results,
        "{:valid? true, :attempt-count 1, :stable-count 1, :lost-count 0, :lost (),
          :never-read-count 0, :never-read (), :stale-count 0, :stale (), :worst-stale (),
          :stable-latencies {0 0, 0.5 0, 0.95 0, 0.99 0, 1 0}, :duplicated {},
          :duplicated-count 0}",
    );
    assert_eq!(results.get("lost-latencies"), None);
}

/// As in Jepsen's `set-full-element-results`, an element is there from the moment after the last
/// read without it began.
#[test]
fn an_element_is_stale_up_to_the_moment_after_it_was_last_absent() {
    let mut history = history(
        "
        0 invoke add 1
        0 ok add 1
        1 invoke read
        1 ok read []
        1 invoke read
        1 ok read [1]
        ",
    );
    for (began, latency) in [(19_999_998, 9), (19_999_999, 10)] {
        history.0[2].time = began;
        assert_has(
            &verdict("g-set", &history, &Setting::new(1)),
            &format!(
                "{{:stable-latencies {{0 {latency}, 0.5 {latency}, 0.95 {latency},
                                     0.99 {latency}, 1 {latency}}}}}"
            ),
        );
    }
}

#[test]
fn an_acknowledged_element_that_no_later_read_returns_is_lost() {
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 ok add 1
        0 invoke add 2
        0 ok add 2
        1 invoke read
        1 ok read [2]
        ",
    );
    assert_has(
        &results,
        "{:valid? false, :lost (1), :lost-count 1, :stable-count 1,
          :lost-latencies {0 0, 0.5 0, 0.95 0, 0.99 0, 1 0}}",
    );
}

#[test]
fn an_element_that_was_there_and_is_gone_is_lost() {
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 ok add 1
        1 invoke read
        1 ok read [1]
        1 invoke read
        1 ok read [1]
        1 invoke read
        1 ok read []
        ",
    );
    // The last read that returned it began 30 ms after it was known, at 10 ms.
    assert_has(
        &results,
        "{:valid? false, :lost (1), :stable-count 0,
          :lost-latencies {0 30, 0.5 30, 0.95 30, 0.99 30, 1 30}}",
    );
}

#[test]
fn an_element_of_an_unknown_addition_is_known_once_it_was_read() {
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 info add 1
        1 invoke read
        1 ok read [1]
        1 invoke read
        1 ok read []
        ",
    );
    assert_has(&results, "{:valid? false, :lost (1)}");
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 info add 1
        2 invoke add 2
        2 ok add 2
        1 invoke read
        1 ok read [2]
        ",
    );
    assert_has(&results, "{:valid? true, :never-read (1), :stable-count 1}");
}

#[test]
fn a_read_that_began_after_the_acknowledgement_without_the_element_makes_it_stale() {
    let results = check(
        "broadcast",
        "
        0 invoke broadcast 1
        0 ok broadcast 1
        0 invoke broadcast 2
        0 ok broadcast 2
        1 invoke read
        1 ok read []
        1 invoke read
        1 ok read [2]
        1 invoke read
        1 ok read [1 2]
        ",
    );
    assert_has(
        &results,
        "{:valid? true, :stale-count 2, :stale (1 2), :stable-count 2,
          :stable-latencies {0 10, 0.5 50, 0.95 50, 0.99 50, 1 50},
          :worst-stale ({:element 1, :outcome :stable, :stable-latency 50, :lost-latency nil,
                         :known #jepsen.history.Op{:index 1, :time 10000000, :type :ok,
                                                   :process 0, :f :add, :value 1},
                         :last-absent #jepsen.history.Op{:index 6, :time 60000000,
                                                         :type :invoke, :process 1, :f :read,
                                                         :value nil}}
                        {:element 2, :outcome :stable, :stable-latency 10, :lost-latency nil,
                         :known #jepsen.history.Op{:index 3, :time 30000000, :type :ok,
                                                   :process 0, :f :add, :value 2},
                         :last-absent #jepsen.history.Op{:index 4, :time 40000000,
                                                         :type :invoke, :process 1, :f :read,
                                                         :value nil}})}",
    );
}

#[test]
fn a_read_under_way_during_the_addition_need_not_return_it() {
    let results = check(
        "g-set",
        "
        1 invoke read
        0 invoke add 1
        0 ok add 1
        1 ok read []
        2 invoke read
        2 ok read [1]
        ",
    );
    assert_has(&results, "{:valid? true, :stale-count 0, :stable-count 1}");
    // With nothing but that read, nobody knows.
    let results = check(
        "g-set",
        "
        1 invoke read
        0 invoke add 1
        0 ok add 1
        1 ok read []
        ",
    );
    assert_has(
        &results,
        "{:valid? :unknown, :never-read (1), :stable-count 0}",
    );
}

#[test]
fn reads_count_in_the_order_they_began() {
    // The read of process 2 began first and ended last: it says nothing about what came after.
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 ok add 1
        2 invoke read
        1 invoke read
        1 ok read [1]
        2 ok read []
        ",
    );
    assert_has(&results, "{:valid? true, :stable-count 1, :stale (1)}");
}

#[test]
fn failed_and_indeterminate_reads_say_nothing() {
    let results = check(
        "g-set",
        "
        0 invoke add 1
        0 ok add 1
        1 invoke read
        1 ok read [1]
        1 invoke read
        1 fail read
        1 invoke read
        1 info read
        2 invoke read
        ",
    );
    assert_has(&results, "{:valid? true, :stable-count 1, :stale-count 0}");
}

#[test]
fn elements_that_nobody_added_are_passed_over() {
    let results = check(
        "g-set",
        "
        0 invoke read
        0 ok read [9]
        0 invoke add 1
        0 ok add 1
        0 invoke read
        0 ok read [1 77]
        ",
    );
    assert_has(
        &results,
        "{:valid? true, :attempt-count 1, :stable-count 1}",
    );
}

/// As in Maelstrom, whose checker means to reject them but does not, see the module.
#[test]
fn duplicates_are_shown_and_do_not_count() {
    let results = check(
        "broadcast",
        "
        0 invoke broadcast 1
        0 ok broadcast 1
        0 invoke broadcast 2
        0 ok broadcast 2
        0 invoke read
        0 ok read [1 2 1 1]
        0 invoke read
        0 ok read [1 2 1]
        ",
    );
    assert_has(
        &results,
        "{:valid? true, :duplicated {1 3}, :duplicated-count 1}",
    );
}

#[test]
fn without_anything_to_go_by_it_is_unknown() {
    assert_has(
        &check("broadcast", ""),
        "{:valid? :unknown, :attempt-count 0}",
    );
    let results = check("g-set", "0 invoke read\n0 ok read 7");
    assert_has(
        &results,
        "{:valid? :unknown, :error \"a read returned 7, which is not a collection\"}",
    );
}

#[test]
fn at_most_eight_of_the_stalest_are_shown() {
    let mut lines = String::new();
    for element in 0..20 {
        lines += &format!("0 invoke add {element}\n0 ok add {element}\n");
    }
    lines += "1 invoke read\n1 ok read []\n1 invoke read\n1 ok read [";
    lines += &(0..20)
        .map(|element| element.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    lines += "]\n";
    let results = check("g-set", &lines);
    assert_has(&results, "{:valid? true, :stale-count 20}");
    let worst = results.get("worst-stale").unwrap().as_seq().unwrap();
    let elements: Vec<i64> = worst
        .iter()
        .map(|stale| stale.get("element").unwrap().as_int().unwrap())
        .collect();
    assert_eq!(elements, [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// A table of how each kind of answer is judged. The clients' side of it, what becomes of an
/// answer, is in `run_engine/answers.rs`.
#[test]
fn the_verdict_is_maelstroms() {
    const ADD: &str = "jepsen.checker/set-full-add";
    const PRESENT: &str = "jepsen.checker/set-full-read-present";
    const OUTCOME: &str = "jepsen.checker/set-full-element-results";
    const RESULTS: &str = "jepsen.checker/set-full-results";
    const CHECK: &str = "jepsen.checker/set-full";
    let ok = "0 invoke add 1\n0 ok add 1\n";
    let read = |value: &str| format!("1 invoke read\n1 ok read {value}\n");
    let after = |first: &str, value: &str| format!("{first}{}", read(value));
    // Of 101 bits.
    let (wide, next) = (
        "1267650600228229401496703205376",
        "1267650600228229401496703205377",
    );
    let wide_ok = format!("0 invoke add {wide}\n0 ok add {wide}\n");
    assert_table(
        "g-set",
        &[
            ("nothing was asked", RESULTS, ":unknown", ""),
            ("ok: read", OUTCOME, "true", &after(ok, "[1]")),
            ("ok: not read", OUTCOME, "false", &after(ok, "[]")),
            ("ok: no read began after it", RESULTS, ":unknown", ok),
            (
                "ok: one that is read, and one that is not",
                RESULTS,
                "false",
                &after(
                    "0 invoke add 1\n0 ok add 1\n0 invoke add 2\n0 ok add 2\n",
                    "[2]",
                ),
            ),
            (
                "fail: an addition that is read all the same",
                PRESENT,
                "true",
                &after("0 invoke add 1\n0 fail add 1\n", "[1]"),
            ),
            (
                "fail: an addition that is not read",
                ADD,
                ":unknown",
                &after("0 invoke add 1\n0 fail add 1\n", "[]"),
            ),
            (
                "fail: an addition that was read and is gone",
                PRESENT,
                "false",
                &after(
                    "0 invoke add 1\n0 fail add 1\n",
                    "[1]\n1 invoke read\n1 ok read []",
                ),
            ),
            (
                "info: an addition that is not read",
                ADD,
                ":unknown",
                &after("0 invoke add 1\n0 info add 1\n", "[]"),
            ),
            (
                "info: an addition that is read",
                PRESENT,
                "true",
                &after("0 invoke add 1\n0 info add 1\n", "[1]"),
            ),
            (
                "info: an addition that was read and is gone",
                PRESENT,
                "false",
                &after(
                    "0 invoke add 1\n0 info add 1\n",
                    "[1]\n1 invoke read\n1 ok read []",
                ),
            ),
            (
                "fail and info: reads say nothing, whatever they hold",
                CHECK,
                ":unknown",
                &format!("{ok}1 invoke read\n1 fail read []\n2 invoke read\n2 info read [1]"),
            ),
            ("null: nothing was read", CHECK, "false", &after(ok, "nil")),
            (
                "another type: text",
                CHECK,
                "false",
                &after(ok, "[\"1\" :1 [1] nil true]"),
            ),
            ("another type: a float", CHECK, "false", &after(ok, "[1.0]")),
            (
                "a wide number",
                OUTCOME,
                "true",
                &after(&wide_ok, &format!("[{wide}]")),
            ),
            (
                "the wide number next to it",
                OUTCOME,
                "false",
                &after(&wide_ok, &format!("[{next}]")),
            ),
            ("twice in one read", CHECK, "true", &after(ok, "[1 1]")),
            (
                "twice: added again, which begins anew",
                CHECK,
                ":unknown",
                &format!("{ok}{}0 invoke add 1\n0 info add 1", read("[]")),
            ),
            (
                "late: acknowledged after a read that returned it, and then gone",
                PRESENT,
                "false",
                &format!(
                    "0 invoke add 1\n{}2 invoke read\n0 ok add 1\n2 ok read []",
                    read("[1]")
                ),
            ),
            (
                "late: acknowledged during a read that did not return it",
                OUTCOME,
                ":unknown",
                "1 invoke read\n0 invoke add 1\n0 ok add 1\n1 ok read []",
            ),
            (
                "late: gone in a read that began first and ended last",
                OUTCOME,
                "true",
                &format!("{ok}2 invoke read\n{}2 ok read []", read("[1]")),
            ),
            ("unasked: nobody added it", CHECK, ":unknown", &read("[7]")),
            (
                "unasked: beside what was",
                CHECK,
                "true",
                &after(ok, "[7 1]"),
            ),
        ],
    );
}
