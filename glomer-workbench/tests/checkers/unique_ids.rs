//! unique-ids

use glomer_workbench::checker::Workload;

use crate::support::{assert_has, check};

#[test]
fn distinct_ids_of_any_type_are_valid() {
    let results = check(
        Workload::UniqueIds,
        r#"
        0 invoke generate
        1 invoke generate
        0 ok generate 7
        1 ok generate "7"
        0 invoke generate
        1 invoke generate
        0 ok generate 18446744073709551615
        1 info generate
        "#,
    );
    assert_has(
        &results,
        "{:valid? true, :attempted-count 4, :acknowledged-count 3, :duplicated-count 0,
          :duplicated {}, :range [7 \"7\"]}",
    );
}

#[test]
fn an_id_handed_out_twice_is_invalid() {
    let results = check(
        Workload::UniqueIds,
        "
        0 invoke generate
        0 ok generate 7
        1 invoke generate
        1 ok generate 8
        0 invoke generate
        0 ok generate 7
        ",
    );
    assert_has(
        &results,
        "{:valid? false, :duplicated-count 1, :duplicated {7 2}, :range [7 8]}",
    );
}

#[test]
fn compound_ids_are_compared_by_content() {
    let results = check(
        Workload::UniqueIds,
        r#"
        0 invoke generate
        0 ok generate {"node" 1, "n" [1 2]}
        0 invoke generate
        0 ok generate {"n" [1 2], "node" 1}
        "#,
    );
    assert_has(&results, "{:valid? false, :duplicated-count 1}");
}

#[test]
fn the_most_frequent_duplicates_are_shown() {
    let mut lines = String::new();
    for id in 0..100 {
        for _ in 0..=1 + id % 3 {
            lines += &format!("0 invoke generate\n0 ok generate {id}\n");
        }
    }
    let results = check(Workload::UniqueIds, &lines);
    assert_has(
        &results,
        "{:valid? false, :duplicated-count 100, :range [0 99]}",
    );
    let shown = results.get("duplicated").unwrap().as_map().unwrap();
    assert_eq!(shown.len(), 48);
    // 33 ids were handed out four times, and of the 33 that were three times the greatest are.
    assert_eq!(
        shown
            .iter()
            .filter(|(_, times)| times.as_int() == Some(4))
            .count(),
        33
    );
    let thrice = shown.iter().filter(|(_, times)| times.as_int() == Some(3));
    assert_eq!(thrice.map(|(id, _)| id.as_int().unwrap()).min(), Some(55));
}

#[test]
fn without_ids_there_is_nothing_to_say_against() {
    let results = check(Workload::UniqueIds, "0 invoke generate\n0 info generate");
    assert_has(
        &results,
        "{:valid? true, :attempted-count 1, :acknowledged-count 0, :range [nil nil]}",
    );
}
