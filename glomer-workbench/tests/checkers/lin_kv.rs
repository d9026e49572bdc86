//! lin-kv

use glomer_workbench::edn::Edn;

use crate::support::{assert_has, assert_table, check};

fn lin_kv(lines: &str) -> Edn {
    check("lin-kv", lines)
}

#[track_caller]
fn assert_valid(valid: bool, lines: &str) {
    let results = lin_kv(lines);
    assert_eq!(
        results.get("valid?"),
        Some(&Edn::Bool(valid)),
        "{}",
        results.pretty(100)
    );
}

#[test]
fn operations_one_after_the_other_are_linearizable() {
    let results = lin_kv(
        "
        0 invoke read [1 nil]
        0 fail read [1 nil]
        0 invoke write [1 3]
        0 ok write [1 3]
        1 invoke read [1 nil]
        1 ok read [1 3]
        0 invoke cas [1 [3 4]]
        0 ok cas [1 [3 4]]
        1 invoke cas [1 [3 5]]
        1 fail cas [1 [3 5]]
        1 invoke read [1 nil]
        1 ok read [1 4]
        ",
    );
    assert_has(&results, "{:valid? true, :failures []}");
}

#[test]
fn a_stale_read_is_not_linearizable() {
    let results = lin_kv(
        "
        0 invoke write [1 3]
        0 ok write [1 3]
        0 invoke write [2 3]
        0 ok write [2 3]
        0 invoke write [1 4]
        0 ok write [1 4]
        1 invoke read [1 nil]
        1 ok read [1 3]
        ",
    );
    let write = ":process 0, :type :ok, :f :write, :value 4, :index 5, :time 50000000";
    let read = ":process 1, :type :ok, :f :read, :value 3, :index 7, :time 70000000";
    assert_has(
        &results,
        &format!(
            "{{:valid? false, :failures [1],
               :results {{1 {{:linearizable
                              {{:valid? false,
                                :configs ({{:model #knossos.model.CASRegister{{:value 4}},
                                            :last-op {{{write}}},
                                            :pending [{{:process 1, :type :invoke, :f :read,
                                                        :value 3, :index 6, :time 60000000}}]}}),
                                :final-paths ([{{:op {{{write}}},
                                                 :model #knossos.model.CASRegister{{:value 4}}}}
                                               {{:op {{{read}}},
                                                 :model #knossos.model.Inconsistent{{:msg
                                                   \"can't read 3 from register 4\"}}}}]),
                                :previous-ok {{{write}}},
                                :last-op {{{write}}},
                                :op {{{read}}}}},
                              :timeline {{:valid? true}},
                              :valid? false}},
                          2 {{:linearizable
                              {{:valid? true,
                                :configs ({{:model #knossos.model.CASRegister{{:value 3}},
                                            :last-op {{:process 0, :type :ok, :f :write,
                                                       :value 3, :index 3, :time 30000000}},
                                            :pending []}}),
                                :final-paths ()}},
                              :timeline {{:valid? true}},
                              :valid? true}}}}}}"
        ),
    );
}

#[test]
fn concurrent_operations_may_take_effect_in_any_order() {
    // Lowe's example: writes that must take effect in the reverse order of their invocations.
    let reversed = "
        0 invoke write [1 1]
        1 invoke write [1 2]
        2 invoke write [1 3]
        3 invoke read [1 nil]
        3 ok read [1 3]
        3 invoke read [1 nil]
        3 ok read [1 2]
        3 invoke read [1 nil]
        3 ok read [1 1]
        ";
    let returns = "
        0 ok write [1 1]
        1 ok write [1 2]
        2 ok write [1 3]
        ";
    assert_valid(true, &format!("{reversed}{returns}"));
    // Each of them only once.
    let again = "3 invoke read [1 nil]\n3 ok read [1 3]";
    assert_valid(false, &format!("{reversed}{again}{returns}"));
}

#[test]
fn once_it_was_seen_it_must_stay() {
    // Sequentially consistent, but the second reader sees the past.
    assert_valid(
        false,
        "
        9 invoke write [1 0]
        9 ok write [1 0]
        0 invoke write [1 1]
        1 invoke read [1 nil]
        1 ok read [1 1]
        2 invoke read [1 nil]
        2 ok read [1 0]
        0 ok write [1 1]
        ",
    );
}

#[test]
fn an_overwritten_write_that_nobody_saw_leaves_no_trace() {
    // Writes 1 and 2 are both under way when 3 is read; either may have been hidden by 3's write.
    let lines = |last: u8| {
        format!(
            "
            0 invoke write [1 1]
            1 invoke write [1 2]
            2 invoke write [1 3]
            2 ok write [1 3]
            3 invoke read [1 nil]
            3 ok read [1 3]
            0 ok write [1 1]
            1 ok write [1 2]
            3 invoke read [1 nil]
            3 ok read [1 {last}]
            "
        )
    };
    for last in [1, 2, 3] {
        assert_valid(true, &lines(last));
    }
    assert_valid(false, &lines(4));
}

#[test]
fn a_write_that_began_later_cannot_be_hidden() {
    // 2 was invoked after 1 was read, and returned before the read of 1 again.
    assert_valid(
        false,
        "
        0 invoke write [1 1]
        0 ok write [1 1]
        3 invoke read [1 nil]
        3 ok read [1 1]
        1 invoke write [1 2]
        1 ok write [1 2]
        3 invoke read [1 nil]
        3 ok read [1 1]
        ",
    );
}

#[test]
fn a_cas_takes_effect_only_on_what_it_expects() {
    let cas = |from: u8| {
        format!(
            "
            0 invoke write [1 1]
            0 ok write [1 1]
            0 invoke cas [1 [{from} 2]]
            0 ok cas [1 [{from} 2]]
            "
        )
    };
    assert_valid(true, &cas(1));
    assert_valid(false, &cas(3));
    // Of two that expect the same, one must have failed.
    assert_valid(
        false,
        "
        0 invoke write [1 1]
        0 ok write [1 1]
        0 invoke cas [1 [1 2]]
        1 invoke cas [1 [1 3]]
        0 ok cas [1 [1 2]]
        1 ok cas [1 [1 3]]
        ",
    );
    // One after the other, in the order that fits.
    assert_valid(
        true,
        "
        0 invoke write [1 1]
        0 ok write [1 1]
        0 invoke cas [1 [2 3]]
        1 invoke cas [1 [1 2]]
        0 ok cas [1 [2 3]]
        1 ok cas [1 [1 2]]
        2 invoke read [1 nil]
        2 ok read [1 3]
        ",
    );
}

#[test]
fn what_is_indeterminate_may_take_effect_at_any_time_or_never() {
    let lines = |reads: &[&str]| {
        let mut lines = "
            0 invoke write [1 1]
            0 ok write [1 1]
            1 invoke write [1 2]
            1 info write [1 2]
            2 invoke cas [1 [2 3]]
            "
        .to_owned();
        for read in reads {
            lines += &format!("9 invoke read [1 nil]\n9 ok read [1 {read}]\n");
        }
        lines
    };
    for possible in [
        &["1", "1"][..],
        &["1", "2"],
        &["2", "2", "3"],
        &["1", "3"],
        &["3", "2"],
    ] {
        // The last of these: the write hides the cas only if it comes after it, but the cas needs
        // the write. So it is not possible.
        assert_valid(possible != ["3", "2"], &lines(possible));
    }
    for impossible in [&["2", "1"][..], &["1", "2", "1"], &["2", "3", "2"]] {
        assert_valid(false, &lines(impossible));
    }
}

#[test]
fn what_is_indeterminate_may_hide_a_write_and_leave_the_value_as_it_was() {
    // The write of 1 took effect, then the indeterminate one of 0, and the cas after that.
    assert_valid(
        true,
        "
        0 invoke write [1 0]
        1 invoke write [1 0]
        1 ok write [1 0]
        2 invoke cas [1 [0 2]]
        3 invoke write [1 1]
        2 ok cas [1 [0 2]]
        3 ok write [1 1]
        4 invoke read [1 nil]
        4 ok read [1 2]
        ",
    );
}

#[test]
fn operations_that_failed_did_not_take_effect() {
    assert_valid(
        false,
        "
        0 invoke write [1 1]
        0 fail write [1 1]
        0 invoke read [1 nil]
        0 ok read [1 1]
        ",
    );
}

#[test]
fn what_had_begun_and_may_still_take_effect_is_shown() {
    let results = lin_kv(
        "
        0 invoke write [1 1]
        0 ok write [1 1]
        1 invoke write [1 2]
        1 info write [1 2]
        9 invoke read [1 nil]
        9 ok read [1 7]
        2 invoke write [1 3]
        2 info write [1 3]
        ",
    );
    let register = results.get("results").unwrap().as_map().unwrap();
    let configs = register[0].1.get("linearizable").unwrap().get("configs");
    for config in configs.unwrap().as_seq().unwrap() {
        let pending = config.get("pending").unwrap().as_seq().unwrap();
        let values = pending.iter().map(|op| op.get("value").unwrap().as_int());
        let values: Vec<i64> = values.flatten().collect();
        assert_eq!(values, [2, 7]);
    }
}

#[test]
fn nobody_reads_what_nobody_wrote() {
    assert_valid(false, "0 invoke read [1 nil]\n0 ok read [1 7]");
    // A read without a value fits any state, as in Knossos.
    assert_valid(
        true,
        "
        0 invoke write [1 1]
        0 ok write [1 1]
        0 invoke read [1 nil]
        0 ok read [1 nil]
        ",
    );
}

#[test]
fn every_key_stands_for_itself() {
    let results = lin_kv(
        "
        0 invoke write [\"b\" 1]
        1 invoke write [\"a\" 2]
        0 ok write [\"b\" 1]
        1 ok write [\"a\" 2]
        0 invoke read [\"b\" nil]
        1 invoke read [\"a\" nil]
        0 ok read [\"b\" 2]
        1 ok read [\"a\" 1]
        2 invoke read [\"c\" nil]
        ",
    );
    assert_has(&results, r#"{:valid? false, :failures ["a" "b"]}"#);
    assert_has(&lin_kv(""), "{:valid? true, :results {}, :failures []}");
}

#[test]
fn what_is_not_an_operation_on_a_key_is_unknown() {
    for lines in [
        "0 invoke read",
        "0 invoke read [1 nil]\n0 ok read 7",
        "0 invoke cas [1 7]",
        "0 invoke swap [1 7]",
    ] {
        assert_has(&lin_kv(lines), "{:valid? :unknown}");
    }
}

/// Many writers at once: the orders of their writes are too many to try, and need not be.
#[test]
fn a_hundred_concurrent_writers_are_no_trouble() {
    let mut lines = String::new();
    for round in 0..20 {
        for process in 0..100 {
            lines += &format!("{process} invoke write [1 {process}]\n");
        }
        for process in (0..100).rev() {
            lines += &format!("{process} ok write [1 {process}]\n");
        }
        lines += &format!(
            "100 invoke read [1 nil]\n100 ok read [1 {}]\n",
            (round * 7) % 100
        );
    }
    assert_valid(true, &lines);
    assert_valid(
        false,
        &format!("{lines}100 invoke read [1 nil]\n100 ok read [1 1000]\n"),
    );
}

/// And many operations that nobody knows the fate of.
#[test]
fn dozens_of_indeterminate_operations_are_no_trouble() {
    let mut lines = String::new();
    for process in 0..40 {
        let (from, to) = (process % 5, (process * 3 + 1) % 5);
        if process % 2 == 0 {
            lines += &format!("{process} invoke write [1 {to}]\n{process} info write [1 {to}]\n");
        } else {
            lines += &format!("{process} invoke cas [1 [{from} {to}]]\n");
        }
    }
    for read in 0..200 {
        lines += &format!(
            "100 invoke write [1 {}]\n100 ok write [1 {}]\n",
            read % 5,
            read % 5
        );
        lines += &format!("101 invoke read [1 nil]\n101 ok read [1 {}]\n", read % 5);
    }
    assert_valid(true, &lines);
    assert_valid(
        false,
        &format!("{lines}101 invoke read [1 nil]\n101 ok read [1 9]\n"),
    );
}

/// Which of several operations that do the same came first makes no difference.
#[test]
fn dozens_of_concurrent_operations_that_do_the_same_are_no_trouble() {
    let lines = |middle: &str| {
        let mut lines = "0 invoke write [1 3]\n0 ok write [1 3]\n".to_owned();
        for (kind, offset) in [("invoke", 0), ("ok", 7)] {
            for number in 0..24 {
                let process = 1 + (number + offset) % 24;
                let change = if process % 2 == 0 { "[3 4]" } else { "[4 3]" };
                lines += &format!("{process} {kind} cas [1 {change}]\n");
            }
        }
        lines + middle
    };
    assert_valid(true, &lines("0 invoke read [1 nil]\n0 ok read [1 3]"));
    assert_valid(false, &lines("0 invoke read [1 nil]\n0 ok read [1 4]"));
}

/// A table of how each kind of answer is judged. The clients' side of it, what becomes of an
/// answer, is in `run_engine/answers.rs`.
#[test]
fn the_verdict_is_maelstroms() {
    const STEP: &str = "knossos.model/CASRegister step";
    const FAILURES: &str = "knossos.history/complete and without-failures";
    const INFOS: &str = "knossos.linear/step and knossos.wgl/check, which pass over :info";
    const OPEN: &str = "knossos.history/with-synthetic-infos";
    const ORDERS: &str = "knossos.linear/jit-linearizations";
    const KEYS: &str = "jepsen.independent/checker";
    const FAULTS: &str = "jepsen.independent/subhistories, which every key has the faults in";
    let write = |value: &str| format!("0 invoke write [1 {value}]\n0 ok write [1 {value}]\n");
    let read = |value: &str| format!("9 invoke read [1 nil]\n9 ok read [1 {value}]\n");
    let written = |value: &str, seen: &str| write(value) + &read(seen);
    let after = |lines: &str, seen: &str| format!("{}{lines}\n{}", write("1"), read(seen));
    let (wide, next) = (
        "1267650600228229401496703205376",
        "1267650600228229401496703205377",
    );
    assert_table(
        "lin-kv",
        &[
            ("nothing was asked", KEYS, "true", ""),
            ("ok: what was written", STEP, "true", &written("1", "1")),
            ("ok: something else", STEP, "false", &written("1", "2")),
            (
                "ok: a cas",
                STEP,
                "true",
                &after("2 invoke cas [1 [1 2]]\n2 ok cas [1 [1 2]]", "2"),
            ),
            (
                "ok: a cas from something else",
                STEP,
                "false",
                &after("2 invoke cas [1 [3 2]]\n2 ok cas [1 [3 2]]", "2"),
            ),
            (
                "ok: a cas that changed nothing",
                STEP,
                "false",
                &after("2 invoke cas [1 [1 2]]\n2 ok cas [1 [1 2]]", "1"),
            ),
            (
                "ok: a cas of a key that nobody wrote",
                STEP,
                "false",
                "0 invoke cas [1 [0 1]]\n0 ok cas [1 [0 1]]",
            ),
            (
                "fail: a write that took effect",
                FAILURES,
                "false",
                &after("2 invoke write [1 2]\n2 fail write [1 2]", "2"),
            ),
            (
                "fail: a write that did not",
                FAILURES,
                "true",
                &after("2 invoke write [1 2]\n2 fail write [1 2]", "1"),
            ),
            (
                "fail: a cas that had to succeed",
                FAILURES,
                "true",
                &after("2 invoke cas [1 [1 2]]\n2 fail cas [1 [1 2]]", "1"),
            ),
            (
                "fail: a read of what is there",
                FAILURES,
                "true",
                &after("2 invoke read [1 nil]\n2 fail read [1 nil]", "1"),
            ),
            (
                "info: a write that took effect",
                INFOS,
                "true",
                &after("2 invoke write [1 2]\n2 info write [1 2]", "2"),
            ),
            (
                "info: a write that did not",
                INFOS,
                "true",
                &after("2 invoke write [1 2]\n2 info write [1 2]", "1"),
            ),
            (
                "info: a cas that cannot have taken effect",
                INFOS,
                "false",
                &after("2 invoke cas [1 [3 2]]\n2 info cas [1 [3 2]]", "2"),
            ),
            (
                "info: a read after a timeout, a missing field or another type",
                INFOS,
                "true",
                &after("2 invoke read [1 nil]\n2 info read [1 nil]", "1"),
            ),
            (
                "no completion: a write that took effect",
                OPEN,
                "true",
                &after("2 invoke write [1 2]", "2"),
            ),
            (
                "no completion: a write that did not",
                OPEN,
                "true",
                &after("2 invoke write [1 2]", "1"),
            ),
            (
                "no completion: a cas that cannot have taken effect",
                OPEN,
                "false",
                &after("2 invoke cas [1 [3 2]]", "2"),
            ),
            (
                "ok: two at once, of which the one that ended first was the last",
                ORDERS,
                "true",
                &after(
                    "2 invoke write [1 2]\n3 invoke write [1 3]
                     2 ok write [1 2]\n3 ok write [1 3]",
                    "2",
                ),
            ),
            (
                "ok: two at once, both of which are undone",
                ORDERS,
                "false",
                &after(
                    "2 invoke write [1 2]\n3 invoke write [1 3]
                     2 ok write [1 2]\n3 ok write [1 3]",
                    "1",
                ),
            ),
            (
                "faults between the operations",
                FAULTS,
                "true",
                &after(
                    "nemesis info start-partition nil\nnemesis info start-partition [1 2]",
                    "1",
                ),
            ),
            (
                "null: of what was written",
                STEP,
                "true",
                &written("1", "nil"),
            ),
            ("null: of what nobody wrote", STEP, "true", &read("nil")),
            ("another type: text", STEP, "false", &written("1", "\"1\"")),
            ("another type: a float", STEP, "false", &written("1", "1.0")),
            ("a wide number", STEP, "true", &written(wide, wide)),
            (
                "the wide number next to it",
                STEP,
                "false",
                &written(wide, next),
            ),
            (
                "twice: two that swap the same value",
                STEP,
                "false",
                &after(
                    "2 invoke cas [1 [1 2]]\n3 invoke cas [1 [1 2]]
                     2 ok cas [1 [1 2]]\n3 ok cas [1 [1 2]]",
                    "2",
                ),
            ),
            (
                "late: an unknown write that takes effect after another",
                INFOS,
                "true",
                &after(
                    "2 invoke write [1 2]\n2 info write [1 2]\n3 invoke write [1 3]
                     3 ok write [1 3]\n9 invoke read [1 nil]\n9 ok read [1 3]",
                    "2",
                ),
            ),
            (
                "late: and is undone",
                INFOS,
                "false",
                &after(
                    "2 invoke write [1 2]\n2 info write [1 2]
                     9 invoke read [1 nil]\n9 ok read [1 2]",
                    "1",
                ),
            ),
            ("unasked: nobody wrote it", STEP, "false", &read("1")),
            (
                "unasked: it was written to another key",
                KEYS,
                "false",
                &after("2 invoke read [2 nil]\n2 ok read [2 1]", "1"),
            ),
        ],
    );
}
