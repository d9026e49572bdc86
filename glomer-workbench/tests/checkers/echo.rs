//! echo

use glomer_workbench::checker::Workload;

use crate::support::{assert_has, check};

#[test]
fn what_comes_back_is_what_was_sent() {
    let results = check(
        Workload::Echo,
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
        Workload::Echo,
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
    let results = check(Workload::Echo, "0 invoke echo \"Please echo 3\"");
    assert_has(&results, "{:valid? true, :errors ()}");
}

#[test]
fn no_answer_is_an_error() {
    for end in [
        "0 info echo \"Please echo 3\"",
        "0 fail echo \"Please echo 3\"",
    ] {
        let results = check(
            Workload::Echo,
            &format!("0 invoke echo \"Please echo 3\"\n{end}"),
        );
        assert_has(&results, "{:valid? false}");
    }
}
