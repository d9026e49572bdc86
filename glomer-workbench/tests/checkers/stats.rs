//! stats, availability and exceptions, and the verdict over all

use glomer_workbench::checked::check;
use glomer_workbench::checker::{self, Availability, Validity, merge_validity};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::History;
use glomer_workbench::workload::{Setting, Workloads};

use crate::support::{assert_has, edn, history};

fn stats(history: &History) -> Edn {
    checker::stats(history).to_edn(history)
}

fn availability(history: &History, expected: Option<Availability>) -> Edn {
    checker::availability(history, expected).to_edn(history)
}

fn exceptions(history: &History) -> Edn {
    checker::exceptions(history).to_edn(history)
}

#[test]
fn operations_are_counted_by_how_they_ended() {
    let stats = stats(&history(
        "
        0 invoke read
        nemesis info start-partition
        0 ok read 1
        0 invoke write 3
        1 invoke write 4
        0 fail write 3
        1 info write 4
        2 invoke read
        2 ok read 1
        3 invoke read
        ",
    ));
    let expected = "{:valid? false, :count 4, :ok-count 2, :fail-count 1, :info-count 1,
        :by-f {:read {:valid? true, :count 2, :ok-count 2, :fail-count 0, :info-count 0},
               :write {:valid? false, :count 2, :ok-count 0, :fail-count 1, :info-count 1}}}";
    assert_eq!(stats, edn(expected));
}

#[test]
fn every_function_must_succeed_once_but_crash() {
    let lines = "0 invoke crash\n0 info crash\n1 invoke poll [[:poll]]\n1 ok poll [[:poll {}]]";
    let stats = stats(&history(lines));
    assert_has(&stats, "{:valid? true, :count 2, :ok-count 1}");
    assert_has(
        stats.get("by-f").unwrap().get("crash").unwrap(),
        "{:valid? false}",
    );
}

#[test]
fn what_did_not_succeed_is_the_reason() {
    let history = history(
        "
        0 invoke read
        0 fail read
        1 invoke read
        1 info read
        2 invoke read
        2 info read
        ",
    );
    let stats = checker::stats(&history);
    let [reason] = stats.reasons() else {
        panic!("{stats:?}");
    };
    assert_eq!(reason.headline(), "no `read` succeeded");
    assert_eq!(reason.lines(), ["Of 3, 1 failed, and of 2 nobody knows."]);
    let availability = checker::availability(&history, Some(Availability::Total));
    let [reason] = availability.reasons() else {
        panic!("{availability:?}");
    };
    assert_eq!(reason.lines(), ["0 of 3 did, and at least 100 % must."]);
    assert_eq!(checker::availability(&history, None).reasons(), []);
}

#[test]
fn without_operations_stats_and_availability_are_valid() {
    let none = History::default();
    let expected = "{:valid? true, :count 0, :ok-count 0, :fail-count 0, :info-count 0, :by-f {}}";
    assert_eq!(stats(&none), edn(expected));
    for availability in [
        availability(&none, None),
        availability(&none, Some(Availability::Total)),
    ] {
        assert_eq!(availability, edn("{:valid? true, :ok-fraction 1}"));
    }
}

#[test]
fn availability_is_the_fraction_that_succeeded() {
    let three_of_four = history(
        "
        0 invoke read
        0 ok read
        0 invoke read
        0 ok read
        0 invoke read
        0 ok read
        0 invoke read
        0 fail read
        ",
    );
    for (expected, valid) in [
        ("total", false),
        ("0", true),
        ("0.75", true),
        ("0.7501", false),
        ("1", false),
    ] {
        let results = availability(&three_of_four, Some(expected.parse().unwrap()));
        assert_eq!(
            results.get("valid?").unwrap().as_bool(),
            Some(valid),
            "{expected}"
        );
        assert_has(&results, "{:ok-fraction 0.75}");
    }
    assert_has(&availability(&three_of_four, None), "{:valid? true}");
    let all = history("0 invoke read\n0 ok read");
    assert_has(
        &availability(&all, Some(Availability::Total)),
        "{:valid? true}",
    );
    for wrong in ["", "all", "-0.1", "1.01", "NaN"] {
        assert!(wrong.parse::<Availability>().is_err(), "{wrong}");
    }
}

#[test]
fn exceptions_are_grouped_by_class() {
    let crash = |process, class| {
        format!(
            "{{:type :invoke, :process {process}, :f :read}}
             {{:type :info, :process {process}, :f :read,
               :exception {{:via [{{:type {class}}} {{:type other}}]}}}}"
        )
    };
    let text = crash(0, "a") + &crash(1, "b") + &crash(2, "b");
    let found = exceptions(&text.parse().unwrap());
    assert_has(&found, "{:valid? true}");
    let found = found.get("exceptions").unwrap().as_seq().unwrap();
    let classes: Vec<(String, Option<i64>)> = found
        .iter()
        .map(|found| {
            let count = found.get("count").unwrap().as_int();
            (found.get("class").unwrap().to_string(), count)
        })
        .collect();
    assert_eq!(
        classes,
        [("b".to_owned(), Some(2)), ("a".to_owned(), Some(1))]
    );
    assert_eq!(
        exceptions(&history("0 invoke read\n0 info read")),
        edn("{:valid? true}")
    );
}

#[test]
fn one_bad_verdict_spoils_all() {
    use Validity::{False, True, Unknown};
    for (verdicts, merged) in [
        (vec![], True),
        (vec![True, True], True),
        (vec![True, Unknown], Unknown),
        (vec![Unknown, False, True], False),
    ] {
        assert_eq!(merge_validity(verdicts), merged);
    }
    let lines = "0 invoke generate\n0 ok generate 1\n1 invoke generate\n1 info generate";
    for (availability, valid) in [(None, true), (Some(Availability::Total), false)] {
        let workloads = Workloads::default();
        let ids = workloads.get("unique-ids").unwrap();
        let checked = check(ids, &Setting::new(1), &history(lines), availability);
        assert_eq!(checked.validity(), Validity::from(valid));
    }
}
