//! g-counter and pn-counter

use crate::support::{assert_has, check};

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
    let mut lines = String::new();
    for process in 0..40 {
        let delta = 3_i64.pow(process);
        lines += &format!("{process} invoke add {delta}\n{process} info add {delta}\n");
    }
    assert_has(&check("pn-counter", &lines), "{:valid? :unknown}");
}
