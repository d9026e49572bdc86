//! g-counter and pn-counter

use glomer_workbench::edn::Edn;

use crate::support::{assert_has, assert_table, check};

#[test]
fn every_final_read_is_the_sum_of_what_was_added() {
    let results = check(
        "pn-counter",
        "
        0 invoke add 5
        1 invoke add -7
        0 ok add 5
        1 ok add -7
        0 invoke read
        0 ok read 77
        0 invoke read nil final
        1 invoke read nil final
        0 ok read -2 final
        1 ok read -2 final
        ",
    );
    assert_has(
        &results,
        "{:valid? true, :errors nil, :final-reads (-2 -2), :acceptable ([-2 -2])}",
    );
}

#[test]
fn another_final_read_is_invalid() {
    let results = check(
        "g-counter",
        "
        0 invoke add 5
        0 ok add 5
        0 invoke read nil final
        0 ok read 4 final
        ",
    );
    assert_has(
        &results,
        "{:valid? false, :final-reads (4), :acceptable ([5 5]),
          :errors (#jepsen.history.Op{:index 3, :time 30000000, :type :ok, :process 0, :f :read,
                                      :value 4, :final? true})}",
    );
}

#[test]
fn indeterminate_additions_may_or_may_not_count() {
    let with_final_read = |read: &str| {
        check(
            "pn-counter",
            &format!(
                "
                0 invoke add 1
                0 info add 1
                1 invoke add 10
                1 info add 10
                2 invoke add 11
                2 info add 11
                3 invoke add 100
                3 fail add 100
                4 invoke add -30
                5 invoke read nil final
                5 ok read {read} final
                "
            ),
        )
    };
    // Every sum of some of 1, 10, 11 and -30.
    let acceptable = "{:acceptable ([-30 -29] [-20 -18] [-9 -8] [0 1] [10 12] [21 22])}";
    for read in [-30, -29, -20, -19, -18, -9, -8, 0, 1, 10, 11, 12, 21, 22] {
        let results = with_final_read(&read.to_string());
        assert_has(&results, "{:valid? true}");
        assert_has(&results, acceptable);
    }
    for read in [
        "-31",
        "-28",
        "2",
        "9",
        "13",
        "20",
        "23",
        "100",
        "18446744073709551615",
    ] {
        assert_has(&with_final_read(read), "{:valid? false}");
    }
}

#[test]
fn ranges_that_touch_run_together() {
    let mut lines = String::new();
    for process in 0..10 {
        lines += &format!("{process} invoke add 1\n{process} info add 1\n");
    }
    let results = check("g-counter", &lines);
    assert_has(
        &results,
        "{:valid? true, :acceptable ([0 10]), :final-reads ()}",
    );
}

#[test]
fn sums_that_cannot_be_told_are_unknown() {
    let results = check(
        "pn-counter",
        "
        0 invoke read nil final
        0 ok read 1.5 final
        ",
    );
    assert_has(&results, "{:valid? :unknown}");
    let error = results.get("error").and_then(Edn::name).unwrap();
    assert!(
        error.starts_with("1.5 is not an integer to count with"),
        "{error}"
    );
    let mut lines = String::new();
    for process in 0..40 {
        let delta = 3_i64.pow(process);
        lines += &format!("{process} invoke add {delta}\n{process} info add {delta}\n");
    }
    assert_has(&check("pn-counter", &lines), "{:valid? :unknown}");
}

/// A table of how each kind of answer is judged. The clients' side of it, what becomes of an
/// answer, is in `run_engine/answers.rs`.
#[test]
fn the_verdict_is_maelstroms() {
    const CHECK: &str = "maelstrom.workload.pn-counter/checker";
    const CLIENT: &str = "maelstrom.client/defrpc: no such answer is ok";
    const EXCEPTION: &str = "pn-counter/checker stops over integers beyond 64 bits";
    let with = |additions: &str, read: &str| {
        format!("{additions}\n9 invoke read nil final\n9 {read} final")
    };
    let acknowledged = "0 invoke add 5\n0 ok add 5";
    let unknown = "0 invoke add 5\n0 info add 5";
    let most = format!("0 invoke add {0}\n0 ok add {0}\n", i64::MAX);
    let rows = [
        ("nothing was asked", CHECK, "true", ""),
        (
            "ok: the sum",
            CHECK,
            "true",
            &with(acknowledged, "ok read 5"),
        ),
        ("ok: less", CHECK, "false", &with(acknowledged, "ok read 0")),
        ("ok: more", CHECK, "false", &with(acknowledged, "ok read 6")),
        (
            "ok: not the sum, but not at the end",
            CHECK,
            "true",
            &format!("{acknowledged}\n9 invoke read\n9 ok read 77"),
        ),
        (
            "ok: unasked, without any addition",
            CHECK,
            "false",
            &with("", "ok read 1"),
        ),
        (
            "fail: an addition that counts all the same",
            CHECK,
            "false",
            &with("0 invoke add 5\n0 fail add 5", "ok read 5"),
        ),
        (
            "fail: an addition that does not count",
            CHECK,
            "true",
            &with("0 invoke add 5\n0 fail add 5", "ok read 0"),
        ),
        (
            "info: an addition that counts",
            CHECK,
            "true",
            &with(unknown, "ok read 5"),
        ),
        (
            "info: one that does not",
            CHECK,
            "true",
            &with(unknown, "ok read 0"),
        ),
        (
            "info: one that counts in part",
            CHECK,
            "false",
            &with(unknown, "ok read 4"),
        ),
        (
            "info: one that counts twice",
            CHECK,
            "false",
            &with(unknown, "ok read 10"),
        ),
        (
            "info: taking away",
            CHECK,
            "true",
            &with("0 invoke add -5\n0 info add -5", "ok read -5"),
        ),
        (
            "info: taking away, as if it had added",
            CHECK,
            "false",
            &with("0 invoke add -5\n0 info add -5", "ok read 5"),
        ),
        (
            "fail: the last read",
            CHECK,
            "true",
            &with(acknowledged, "fail read"),
        ),
        (
            "info: the last read, after a timeout, a missing field or another type",
            CHECK,
            "true",
            &with(acknowledged, "info read"),
        ),
        (
            "null",
            CLIENT,
            ":unknown",
            &with(acknowledged, "ok read nil"),
        ),
        (
            "another type",
            CLIENT,
            ":unknown",
            &with(acknowledged, "ok read \"5\""),
        ),
        (
            "a float",
            CLIENT,
            ":unknown",
            &with(acknowledged, "ok read 5.0"),
        ),
        (
            "a wide number",
            EXCEPTION,
            "false",
            &with(acknowledged, "ok read 18446744073709551621"),
        ),
        (
            "a wide sum",
            EXCEPTION,
            "true",
            &with(&most.repeat(2), "ok read 18446744073709551614"),
        ),
        (
            "twice: another node reads something else",
            CHECK,
            "false",
            &with(
                &format!("{acknowledged}\n8 invoke read nil final\n8 ok read 4 final"),
                "ok read 5",
            ),
        ),
        (
            "late: acknowledged after the last read",
            CHECK,
            "false",
            &format!("0 invoke add 5\n{}\n0 ok add 5", with("", "ok read 0")),
        ),
    ];
    for workload in ["g-counter", "pn-counter"] {
        assert_table(workload, &rows);
    }
}
