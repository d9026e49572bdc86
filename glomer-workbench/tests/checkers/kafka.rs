//! kafka

use glomer_workbench::edn::Edn;
use glomer_workbench::workload::Setting;

use crate::support::{assert_has, check, edn, verdict};

fn kafka(lines: &str) -> Edn {
    check("kafka", lines)
}

/// Asserts that these are the types of errors found, and whether they are bad enough.
#[track_caller]
fn assert_errors(results: &Edn, valid: bool, types: &str) {
    assert_eq!(
        results.get("error-types"),
        Some(&edn(types)),
        "{}",
        results.pretty(100)
    );
    assert_has(results, &format!("{{:valid? {valid}}}"));
}

/// The one error of a type.
#[track_caller]
fn error(results: &Edn, kind: &str) -> Edn {
    let found = results
        .get(kind)
        .unwrap_or_else(|| panic!("no {kind} in {}", results.pretty(100)));
    assert_has(found, "{:count 1}");
    found.get("errs").unwrap().as_seq().unwrap()[0].clone()
}

#[test]
fn logs_that_are_polled_in_order_are_valid() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        1 invoke assign ["k"]
        0 ok send [[:send "k" [0 1]]]
        1 ok assign ["k"]
        1 invoke poll [[:poll]]
        0 invoke send [[:send "k" 2]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        0 ok send [[:send "k" [7 2]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[7 2]]}]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {}]]
        "#,
    );
    assert_errors(&results, true, "()");
    assert_has(&results, "{:bad-error-types (), :info-txn-causes ()}");
}

#[test]
fn an_acknowledged_message_that_polls_pass_over_is_lost() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [1 2]]]
        0 invoke send [[:send "k" 3]]
        0 ok send [[:send "k" [2 3]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[2 3]]}]]
        "#,
    );
    // Another process may start anywhere, so this is no skip.
    assert_errors(&results, false, "(:lost-write :unseen)");
    assert_has(
        &error(&results, "lost-write"),
        r#"{:key "k", :value 2, :index 1, :max-read-index 2,
            :writer #jepsen.history.Op{:index 3, :time 30000000, :type :ok, :process 0, :f :send,
                                       :value [[:send "k" [1 2]]]},
            :max-read #jepsen.history.Op{:index 9, :time 90000000, :type :ok, :process 2,
                                         :f :poll, :value [[:poll {"k" [[2 3]]}]]}}"#,
    );
    assert_has(
        results.get("unseen").unwrap(),
        r#"{:time 90000000, :unseen {"k" 1}, :messages {"k" (2)}}"#,
    );
}

#[test]
fn a_message_after_all_that_were_polled_is_only_unseen() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [1 2]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]], "other" []}]]
        "#,
    );
    assert_errors(&results, false, "(:unseen)");
}

#[test]
fn messages_of_unknown_fate_may_be_there_or_not() {
    // Nobody knows whether 2 and 4 were sent. 4 was, but its place is not known from the send.
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        2 invoke send [[:send "k" 2]]
        2 info send [[:send "k" 2]]
        3 invoke send [[:send "k" 4]]
        3 info send [[:send "k" 4]]
        4 invoke send [[:send "k" 5]]
        4 fail send [[:send "k" 5]]
        5 invoke send [[:send "k" 6]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1] [2 4]]}]]
        "#,
    );
    assert_errors(&results, true, "()");
    assert_has(&results, "{:info-txn-causes (nil)}");
}

#[test]
fn polling_what_failed_to_be_sent_is_g1a() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 fail send [[:send "k" 1]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        "#,
    );
    // Jepsen counts what the last poll was the first to see as unseen.
    assert_errors(&results, false, "(:G1a :unseen)");
    assert_has(
        &error(&results, "G1a"),
        r#"{:key "k", :value 1,
            :writer #jepsen.history.Op{:index 1, :time 10000000, :type :fail, :process 0,
                                       :f :send, :value [[:send "k" 1]]},
            :reader #jepsen.history.Op{:index 3, :time 30000000, :type :ok, :process 1,
                                       :f :poll, :value [[:poll {"k" [[0 1]]}]]}}"#,
    );
}

#[test]
fn polling_what_nobody_sent_is_an_unwritten_read() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1] [1 99]]}]]
        "#,
    );
    assert_errors(&results, false, "(:unwritten-read)");
    assert_has(
        &error(&results, "unwritten-read"),
        r#"{:key "k", :value 99}"#,
    );
}

#[test]
fn different_messages_at_one_offset_are_inconsistent() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [3 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [3 2]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[3 1]]}]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[3 2]]}]]
        "#,
    );
    assert_errors(&results, false, "(:inconsistent-offsets)");
    assert_has(
        &error(&results, "inconsistent-offsets"),
        r#"{:key "k", :offset 3, :index 0, :values #{1 2}}"#,
    );
}

#[test]
fn one_message_at_several_offsets_is_a_duplicate() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[4 1]]}]]
        "#,
    );
    assert_errors(&results, false, "(:duplicate)");
    assert_has(
        &error(&results, "duplicate"),
        r#"{:key "k", :value 1, :count 2, :offsets [0 4]}"#,
    );
}

/// Messages 1 to 4 of key k at offsets 0 to 3, and then these lines.
fn with_four_messages(lines: &str) -> Edn {
    let mut all = String::new();
    for value in 1..=4 {
        let offset = value - 1;
        all += &format!("0 invoke send [[:send \"k\" {value}]]\n");
        all += &format!("0 ok send [[:send \"k\" [{offset} {value}]]]\n");
    }
    // Someone polls them all, so that none is lost.
    all += "9 invoke poll [[:poll]]\n9 ok poll [[:poll {\"k\" [[0 1] [1 2] [2 3] [3 4]]}]]\n";
    kafka(&(all + lines))
}

#[test]
fn a_poll_that_leaves_messages_out_skips_internally() {
    let results = with_four_messages(
        r#"
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1] [3 4]]}]]
        "#,
    );
    assert_errors(&results, false, "(:int-poll-skip)");
    assert_has(
        &error(&results, "int-poll-skip"),
        r#"{:key "k", :values [1 4], :delta 3, :skipped (2 3)}"#,
    );
}

#[test]
fn a_poll_that_goes_backwards_is_internally_nonmonotonic() {
    for (polled, values, delta) in [("[2 3] [1 2]", "[3 2]", -1), ("[1 2] [1 2]", "[2 2]", 0)] {
        let results = with_four_messages(&format!(
            "1 invoke poll [[:poll]]\n1 ok poll [[:poll {{\"k\" [{polled}]}}]]"
        ));
        assert_errors(&results, false, "(:int-nonmonotonic-poll)");
        assert_has(
            &error(&results, "int-nonmonotonic-poll"),
            &format!("{{:key \"k\", :values {values}, :delta {delta}}}"),
        );
    }
}

#[test]
fn a_poll_after_another_that_leaves_messages_out_skips() {
    let results = with_four_messages(
        r#"
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[2 3]]}]]
        "#,
    );
    assert_errors(&results, false, "(:poll-skip)");
    assert_has(
        &error(&results, "poll-skip"),
        r#"{:key "k", :delta 2, :skipped (2)}"#,
    );
}

#[test]
fn a_poll_after_another_that_goes_backwards_is_nonmonotonic() {
    let results = with_four_messages(
        r#"
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[1 2] [2 3]]}]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[1 2]]}]]
        "#,
    );
    assert_errors(&results, false, "(:nonmonotonic-poll)");
    assert_has(
        &error(&results, "nonmonotonic-poll"),
        r#"{:key "k", :values [3 2], :delta -1}"#,
    );
}

#[test]
fn an_assignment_starts_anew_only_keys_that_were_not_assigned_before() {
    let polls = |assigned: &str| {
        with_four_messages(&format!(
            r#"
            1 invoke poll [[:poll]]
            1 ok poll [[:poll {{"k" [[1 2]]}}]]
            1 invoke assign {assigned}
            1 ok assign {assigned}
            1 invoke poll [[:poll]]
            1 ok poll [[:poll {{"k" [[0 1]]}}]]
            "#
        ))
    };
    assert_errors(&polls(r#"["k" "other"]"#), false, "(:nonmonotonic-poll)");
    assert_errors(&polls(r#"["other"]"#), true, "()");
}

#[test]
fn other_processes_and_polls_that_failed_have_no_part_in_the_order() {
    let results = with_four_messages(
        r#"
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[2 3]]}]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[0 1]]}]]
        1 invoke poll [[:poll]]
        1 info poll [[:poll]]
        3 invoke poll [[:poll]]
        3 ok poll [[:poll {"k" [[0 1]]}]]
        "#,
    );
    assert_errors(&results, true, "()");
}

#[test]
fn a_send_after_another_that_lands_before_it_is_nonmonotonic() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [5 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [4 2]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[4 2] [5 1]]}]]
        "#,
    );
    assert_errors(&results, false, "(:nonmonotonic-send)");
    assert_has(
        &error(&results, "nonmonotonic-send"),
        r#"{:key "k", :values [1 2], :delta -1}"#,
    );
}

#[test]
fn sends_of_one_transaction_may_have_others_between_but_not_go_backwards() {
    let results = kafka(
        r#"
        0 invoke txn [[:send "k" 1] [:send "k" 3]]
        1 invoke send [[:send "k" 2]]
        1 ok send [[:send "k" [1 2]]]
        0 ok txn [[:send "k" [0 1]] [:send "k" [2 3]]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[0 1] [1 2] [2 3]]}]]
        "#,
    );
    assert_errors(&results, true, "(:int-send-skip)");
    assert_has(&results, "{:bad-error-types ()}");
    let results = kafka(
        r#"
        0 invoke txn [[:send "k" 1] [:send "k" 2]]
        0 ok txn [[:send "k" [1 1]] [:send "k" [0 2]]]
        2 invoke poll [[:poll]]
        2 ok poll [[:poll {"k" [[0 2] [1 1]]}]]
        "#,
    );
    assert_errors(&results, false, "(:int-nonmonotonic-send)");
}

#[test]
fn a_transaction_that_polls_what_it_sent_is_a_precommitted_read() {
    let results = kafka(
        r#"
        1 invoke send [[:send "other" 1]]
        1 ok send [[:send "other" [0 1]]]
        0 invoke txn [[:send "k" 1] [:poll]]
        0 ok txn [[:send "k" [0 1]] [:poll {"k" [[0 1]], "other" [[0 1]]}]]
        "#,
    );
    assert_errors(&results, false, "(:precommitted-read)");
    assert_has(
        &error(&results, "precommitted-read"),
        r#"{:key "k", :value 1}"#,
    );
}

#[test]
fn transactions_that_poll_each_other_are_g1c() {
    let results = kafka(
        r#"
        0 invoke txn [[:send "a" 1] [:poll]]
        1 invoke txn [[:send "b" 1] [:poll]]
        0 ok txn [[:send "a" [0 1]] [:poll {"b" [[0 1]]}]]
        1 ok txn [[:send "b" [0 1]] [:poll {"a" [[0 1]]}]]
        "#,
    );
    assert_errors(&results, false, "(:G1c)");
    let cycle = error(&results, "G1c");
    assert_has(
        &cycle,
        r#"{:type :G1c, :steps ({:type :wr, :key "a", :value 1} {:type :wr, :key "b", :value 1})}"#,
    );
    assert_eq!(cycle.get("cycle").unwrap().as_seq().unwrap().len(), 3);
}

#[test]
fn polling_what_is_only_sent_later_is_g1c_realtime() {
    let results = kafka(
        r#"
        0 invoke poll [[:poll]]
        0 ok poll [[:poll {"k" [[0 1]]}]]
        1 invoke send [[:send "k" 1]]
        1 ok send [[:send "k" [0 1]]]
        "#,
    );
    assert_errors(&results, false, "(:G1c-realtime)");
    let steps = error(&results, "G1c-realtime")
        .get("steps")
        .unwrap()
        .clone();
    let types: Vec<Option<Edn>> = steps
        .as_seq()
        .unwrap()
        .iter()
        .map(|step| step.get("type").cloned())
        .collect();
    assert!(types.contains(&Some(Edn::kw("wr"))) && types.contains(&Some(Edn::kw("realtime"))));
}

#[test]
fn a_history_that_says_nothing_is_not_valid() {
    assert_errors(
        &kafka("0 invoke crash\n0 info crash"),
        false,
        "(:empty-transaction-graph)",
    );
}

#[test]
fn the_lag_of_a_poll_is_since_when_there_was_more_to_poll() {
    let results = kafka(
        r#"
        1 invoke assign ["k"]
        1 ok assign ["k"]
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [1 2]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]]}]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {}]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[1 2]]}]]
        "#,
    );
    // Offset 1 is known at 50 ms; the poll that begins at 80 ms still has nothing but offset 0.
    assert_has(
        &results,
        r#"{:valid? true,
            :worst-realtime-lag {:time 0.08, :process 1, :key "k", :lag 0.03}}"#,
    );
}

#[test]
fn only_the_worst_gaps_are_shown() {
    let mut lines = String::new();
    for value in 0..40 {
        lines += &format!("0 invoke send [[:send \"k\" {value}]]\n");
        lines += &format!("0 ok send [[:send \"k\" [{value} {value}]]]\n");
    }
    let all: Vec<String> = (0..40).map(|value| format!("[{value} {value}]")).collect();
    lines += "99 invoke poll [[:poll]]\n99 ok poll [[:poll {\"k\" [";
    lines += &all.join(" ");
    lines += "]}]]\n";
    for to in 2..22 {
        lines += &format!("{to} invoke poll [[:poll]]\n");
        lines += &format!("{to} ok poll [[:poll {{\"k\" [[0 0] [{to} {to}]]}}]]\n");
    }
    let results = kafka(&lines);
    assert_errors(&results, false, "(:int-poll-skip)");
    let found = results.get("int-poll-skip").unwrap();
    assert_has(found, "{:count 20}");
    let deltas: Vec<i64> = found
        .get("errs")
        .unwrap()
        .as_seq()
        .unwrap()
        .iter()
        .map(|error| error.get("delta").unwrap().as_int().unwrap())
        .collect();
    assert_eq!(deltas, [14, 15, 16, 17, 18, 19, 20, 21]);
}

#[test]
fn what_is_not_a_transaction_is_unknown() {
    for value in [
        "nil",
        "[[:pull]]",
        "[[:pull \"k\" 1]]",
        "[[:pull {}]]",
        "[[:poll [1]]]",
        "[[:poll {\"k\" [[0]]}]]",
        "[7]",
    ] {
        let results = kafka(&format!("0 invoke poll [[:poll]]\n0 ok poll {value}"));
        assert_has(&results, "{:valid? :unknown}");
    }
}

/// A table of how each kind of answer is judged: the types of errors, of which any but
/// `:int-send-skip` makes a history invalid (`allowed-error-types`). The clients' side of it, what
/// becomes of an answer, is in `run_engine/answers.rs`.
#[test]
fn the_errors_are_jepsens() {
    const CYCLES: &str = "cycles!";
    const EXCEPTION: &str = "lost-write-cases stops over a key that was only polled in vain";
    const NO_WRITER: &str = "wr-graph stops over a message that nobody sent";
    let send = |message: i64, offset: i64| {
        format!(
            "0 invoke send [[:send \"k\" {message}]]
             0 ok send [[:send \"k\" [{offset} {message}]]]\n"
        )
    };
    let sent = |kind: &str, message: i64| {
        format!(
            "2 invoke send [[:send \"k\" {message}]]
             2 {kind} send [[:send \"k\" {message}]]\n"
        )
    };
    let poll = |messages: &str| {
        format!("1 invoke poll [[:poll]]\n1 ok poll [[:poll {{\"k\" {messages}}}]]\n")
    };
    let one = send(1, 0);
    let two = send(1, 0) + &send(2, 1);
    let rows: &[(&str, &str, &str, String)] = &[
        ("nothing was asked", CYCLES, "()", String::new()),
        (
            "nothing was sent or polled",
            CYCLES,
            "(:empty-transaction-graph)",
            "0 invoke assign [\"k\"]\n0 ok assign [\"k\"]".to_owned(),
        ),
        (
            "ok: polled in order",
            "analysis",
            "()",
            two.clone() + &poll("[[0 1] [1 2]]"),
        ),
        (
            "ok: not polled",
            "unseen",
            "(:unseen)",
            two.clone() + &poll("[[0 1]]"),
        ),
        (
            "ok: passed over",
            "lost-write-cases",
            "(:lost-write :unseen)",
            two.clone() + &poll("[[1 2]]"),
        ),
        (
            "ok: in the wrong order",
            "int-poll-skip+nonmonotonic-cases",
            "(:int-nonmonotonic-poll)",
            two.clone() + &poll("[[1 2] [0 1]]"),
        ),
        (
            "ok: sends that land in the wrong order",
            "nonmonotonic-send-cases",
            "(:nonmonotonic-send)",
            send(1, 1) + &send(2, 0) + &poll("[[0 2] [1 1]]"),
        ),
        (
            "ok: gaps between offsets are none",
            "index-seq",
            "()",
            send(1, 3) + &send(2, 70) + &poll("[[3 1] [70 2]]"),
        ),
        (
            "fail: a send that was polled",
            "g1a-cases",
            "(:G1a)",
            one.clone() + &sent("fail", 2) + &poll("[[0 1] [1 2]]"),
        ),
        (
            "fail: a send that was not",
            "must-have-committed?",
            "()",
            one.clone() + &sent("fail", 2) + &poll("[[0 1]]"),
        ),
        (
            "info: a send that was polled",
            "must-have-committed?",
            "()",
            one.clone() + &sent("info", 2) + &poll("[[0 1] [1 2]]"),
        ),
        (
            "info: a send that was not",
            "must-have-committed?",
            "()",
            one.clone() + &sent("info", 2) + &poll("[[0 1]]"),
        ),
        (
            "info: a send whose offset is known, which was not polled",
            "must-have-committed?",
            "()",
            one.clone()
                + "2 invoke send [[:send \"k\" 2]]\n2 info send [[:send \"k\" [1 2]]]\n"
                + &send(3, 2)
                + &poll("[[0 1] [2 3]]"),
        ),
        (
            "fail: a send that landed before the one before it",
            "nonmonotonic-send-cases",
            "(:G1a)",
            send(1, 1)
                + "0 invoke send [[:send \"k\" 2]]\n0 fail send [[:send \"k\" 2]]\n"
                + &poll("[[0 2] [1 1]]"),
        ),
        (
            "info: a poll whose messages are known, for the second time",
            "poll-skip+nonmonotonic-cases-per-process",
            "(:nonmonotonic-poll)",
            one.clone()
                + &poll("[[0 1]]")
                + "1 invoke poll [[:poll]]\n1 info poll [[:poll {\"k\" [[0 1]]}]]",
        ),
        (
            "info: a poll after a timeout, a missing field or another type",
            "op-reads",
            "(:unseen)",
            one.clone() + "1 invoke poll [[:poll]]\n1 info poll [[:poll]]",
        ),
        (
            "null: no messages, beside a poll with some",
            "op-reads",
            "()",
            one.clone() + &poll("nil") + &poll("[[0 1]]"),
        ),
        (
            "null: no messages ever",
            EXCEPTION,
            "(:unseen)",
            one.clone() + &poll("nil"),
        ),
        (
            "null: as an offset",
            "version-orders-reduce-mop",
            "()",
            one.clone() + &poll("[[nil 1]]"),
        ),
        (
            "null: as a message",
            "version-orders",
            "()",
            "0 invoke send [[:send \"k\" nil]]\n0 ok send [[:send \"k\" [0 nil]]]\n".to_owned()
                + &poll("[[0 nil]]"),
        ),
        (
            "another type: the message as text, which nobody sent",
            NO_WRITER,
            "(:inconsistent-offsets :lost-write :unseen :unwritten-read)",
            one.clone() + &poll("[[0 \"1\"]]"),
        ),
        (
            "a wide number as a message",
            "version-orders",
            "()",
            "0 invoke send [[:send \"k\" 1267650600228229401496703205376]]
             0 ok send [[:send \"k\" [0 1267650600228229401496703205376]]]\n"
                .to_owned()
                + &poll("[[0 1267650600228229401496703205376]]"),
        ),
        (
            "twice in one poll",
            "int-poll-skip+nonmonotonic-cases",
            "(:int-nonmonotonic-poll)",
            one.clone() + &poll("[[0 1] [0 1]]"),
        ),
        (
            "twice, in two polls",
            "poll-skip+nonmonotonic-cases",
            "(:nonmonotonic-poll)",
            one.clone() + &poll("[[0 1]]") + &poll("[[0 1]]"),
        ),
        (
            "twice, with a poll in vain between them",
            "poll-skip+nonmonotonic-cases-per-process",
            "()",
            one.clone() + &poll("[[0 1]]") + &poll("[]") + &poll("[[0 1]]"),
        ),
        (
            "twice in the log",
            "duplicate-cases",
            "(:duplicate)",
            one.clone() + &poll("[[0 1]]") + &poll("[]") + &poll("[[1 1]]"),
        ),
        (
            "two messages at one offset",
            "version-orders",
            "(:inconsistent-offsets)",
            "0 invoke send [[:send \"k\" 1]]\n3 invoke send [[:send \"k\" 2]]
             0 ok send [[:send \"k\" [0 1]]]\n3 ok send [[:send \"k\" [0 2]]]\n"
                .to_owned()
                + &poll("[[0 1]]")
                + &poll("[]")
                + &poll("[[0 2]]"),
        ),
        (
            "an offset below 0 has no place in the log",
            "datafy-version-order-log",
            "()",
            one.clone() + &sent("info", 2) + &poll("[[0 1] [-1 2]]"),
        ),
        (
            "late: acknowledged after it was polled",
            "analysis",
            "()",
            "0 invoke send [[:send \"k\" 1]]\n".to_owned()
                + &poll("[[0 1]]")
                + "0 ok send [[:send \"k\" [0 1]]]",
        ),
        (
            "late: polled before its send, which failed and so has no place in time",
            "g1a-cases",
            "(:G1a)",
            one.clone() + &poll("[[0 1] [1 2]]") + &sent("fail", 2),
        ),
        (
            "late: sent after it was polled",
            CYCLES,
            "(:G1c-realtime)",
            poll("[[0 1]]") + &one,
        ),
        (
            "late: and something else was under way meanwhile",
            CYCLES,
            "(:G1c-realtime)",
            "2 invoke poll [[:poll]]\n".to_owned()
                + &poll("[[0 1]]")
                + "2 ok poll [[:poll {}]]\n"
                + &one,
        ),
        (
            "unasked: nobody sent it",
            NO_WRITER,
            "(:unwritten-read)",
            one.clone() + &poll("[[0 1] [1 2]]"),
        ),
    ];
    for (told, source, types, lines) in rows {
        println!("{told} (jepsen.tests.kafka/{source})");
        assert_errors(&kafka(lines), types.trim() == "()", types);
    }
}

/// Where no offset of a polled key has a place in the log, Jepsen's `lost-write-cases` stops.
#[test]
fn messages_at_negative_offsets_only_are_unknown() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [-1 1]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[-1 1]]}]]
        "#,
    );
    assert_has(&results, "{:valid? :unknown}");
}

/// As in Jepsen's `int-poll-skip+nonmonotonic-cases`.
#[test]
fn a_poll_during_which_its_key_was_reassigned_may_skip() {
    let rebalanced = |key: &str| {
        let text = format!(
            r#"
            {{:type :invoke, :process 0, :f :send, :value [[:send "k" 1]]}}
            {{:type :ok, :process 0, :f :send, :value [[:send "k" [0 1]]]}}
            {{:type :invoke, :process 1, :f :poll, :value [[:poll]]}}
            {{:type :ok, :process 1, :f :poll, :value [[:poll {{"k" [[0 1] [0 1]]}}]],
              :rebalance-log [{{:keys ["other"]}} {{:keys ["{key}"]}}]}}
            "#
        );
        verdict("kafka", &text.parse().unwrap(), &Setting::new(1))
    };
    assert_errors(&rebalanced("k"), true, "()");
    assert_errors(&rebalanced("l"), false, "(:int-nonmonotonic-poll)");
}

/// As in Jepsen's `realtime-lag`: an assignment keeps how far a key was polled, a subscription
/// forgets it.
#[test]
fn the_lag_is_counted_from_what_was_polled_before() {
    let lag = |f: &str| {
        let results = kafka(&format!(
            r#"
            0 invoke send [[:send "k" 1]]
            0 ok send [[:send "k" [0 1]]]
            1 invoke poll [[:poll]]
            1 ok poll [[:poll {{"k" [[0 1]]}}]]
            1 invoke poll [[:poll]]
            1 ok poll [[:poll {{}}]]
            0 invoke send [[:send "k" 2]]
            0 ok send [[:send "k" [1 2]]]
            1 invoke {f} ["k" "l"]
            1 ok {f} ["k" "l"]
            1 invoke poll [[:poll]]
            1 ok poll [[:poll {{}}]]
            "#
        ));
        results.get("worst-realtime-lag").cloned().unwrap()
    };
    let kept = edn(r#"{:time 0.1, :process 1, :key "k", :lag 0.03}"#);
    assert_eq!(lag("assign"), kept);
    // Of equal ones, the first.
    let forgotten = edn(r#"{:time 0.02, :process 1, :key "k", :lag 0.0}"#);
    assert_eq!(lag("subscribe"), forgotten);
    // Who sends does not lag.
    let sends = kafka("0 invoke send [[:send \"k\" 1]]\n0 ok send [[:send \"k\" [0 1]]]");
    assert_has(&sends, "{:worst-realtime-lag {:time 0.0, :lag 0.0}}");
}

#[test]
fn each_key_of_a_poll_has_a_lag_of_its_own() {
    let results = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        0 invoke send [[:send "k" 2]]
        0 ok send [[:send "k" [1 2]]]
        0 invoke send [[:send "l" 3]]
        0 ok send [[:send "l" [0 3]]]
        0 invoke send [[:send "l" 4]]
        0 ok send [[:send "l" [1 4]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" [[0 1]] "l" [[0 3] [1 4]]}]]
        "#,
    );
    assert_has(
        &results,
        r#"{:worst-realtime-lag {:time 0.08, :process 1, :key "k", :lag 0.05}}"#,
    );
    // A key without messages lags behind its first.
    let in_vain = kafka(
        r#"
        0 invoke send [[:send "k" 1]]
        0 ok send [[:send "k" [0 1]]]
        1 invoke poll [[:poll]]
        1 ok poll [[:poll {"k" []}]]
        "#,
    );
    assert_has(
        &in_vain,
        r#"{:worst-realtime-lag {:time 0.02, :process 1, :key "k", :lag 0.01}}"#,
    );
}
