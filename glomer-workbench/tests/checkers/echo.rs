//! echo

use crate::support::{assert_has, assert_table, check};

#[test]
fn what_comes_back_is_what_was_sent() {
    let results = check(
        "echo",
        r#"
        0 invoke echo "Please echo 3"
        1 invoke echo "Please echo 4"
        0 ok echo {:type "echo_ok", :echo "Please echo 3", :in_reply_to 1}
        1 ok echo {"type" "echo_ok", "echo" "Please echo 4"}
        "#,
    );
    assert_has(&results, "{:valid? true, :errors ()}");
}

#[test]
fn another_answer_is_an_error() {
    let results = check(
        "echo",
        r#"
        0 invoke echo "Please echo 3"
        0 ok echo {:type "echo_ok", :echo "Please echo 4"}
        "#,
    );
    assert_has(
        &results,
        r#"{:valid? false,
            :errors (["Expected a message with :echo" "Please echo 3"
                      "But received" {:type "echo_ok", :echo "Please echo 4"}])}"#,
    );
}

#[test]
fn what_was_under_way_when_a_run_was_cut_short_is_no_error() {
    let results = check("echo", "0 invoke echo \"Please echo 3\"");
    assert_has(&results, "{:valid? true, :errors ()}");
}

/// A table of how each kind of answer is judged. The clients' side of it, what becomes of an
/// answer, is in `run_engine/answers.rs`.
#[test]
fn the_verdict_is_maelstroms() {
    const PAIRS: &str = "knossos.history/pairs";
    const CHECK: &str = "maelstrom.workload.echo/checker";
    let with = |end: &str| format!("0 invoke echo \"Please echo 3\"\n{end}");
    assert_table(
        "echo",
        &[
            ("nothing was asked", CHECK, "true", ""),
            (
                "ok: the same",
                CHECK,
                "true",
                &with(r#"0 ok echo {:type "echo_ok", :echo "Please echo 3", :in_reply_to 1}"#),
            ),
            (
                "ok: another string",
                CHECK,
                "false",
                &with(r#"0 ok echo {:type "echo_ok", :echo "Please echo 31"}"#),
            ),
            (
                "ok: null",
                CHECK,
                "false",
                &with(r#"0 ok echo {:type "echo_ok", :echo nil}"#),
            ),
            (
                "ok: another type",
                CHECK,
                "false",
                &with(r#"0 ok echo {:type "echo_ok", :echo ["Please echo 3"]}"#),
            ),
            (
                "fail: a definite error has no echo",
                CHECK,
                "false",
                &with("0 fail echo \"Please echo 3\""),
            ),
            (
                "info: a timeout, an indefinite error, a malformed answer",
                PAIRS,
                "true",
                &with("0 info echo \"Please echo 3\""),
            ),
            (
                "info, and later a right answer to another client",
                PAIRS,
                "true",
                &with(
                    r#"0 info echo "Please echo 3"
                    1 invoke echo "Please echo 4"
                    1 ok echo {:echo "Please echo 4"}"#,
                ),
            ),
            (
                "info, and later a wrong answer to another client",
                PAIRS,
                "false",
                &with(
                    r#"0 info echo "Please echo 3"
                    1 invoke echo "Please echo 4"
                    1 ok echo {:echo "Please echo 3"}"#,
                ),
            ),
            ("no completion at all", PAIRS, "true", &with("")),
            (
                "the nemesis, whose operations are all info",
                PAIRS,
                "true",
                "nemesis info start-partition \"Please echo 3\"\nnemesis info start-partition",
            ),
        ],
    );
}
