//! unique-ids

use crate::support::{assert_has, assert_table, check};

#[test]
fn distinct_ids_of_any_type_are_valid() {
    let results = check(
        "unique-ids",
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
        "unique-ids",
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
        "unique-ids",
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
    let results = check("unique-ids", &lines);
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
    let results = check("unique-ids", "0 invoke generate\n0 info generate");
    assert_has(
        &results,
        "{:valid? true, :attempted-count 1, :acknowledged-count 0, :range [nil nil]}",
    );
}

/// A table of what makes two ids one, as Clojure's `=` and `hash` have it.
#[test]
fn the_verdict_is_maelstroms() {
    const SOURCE: &str = "jepsen.checker/unique-ids";
    const EXCEPTION: &str = "jepsen.checker/unique-ids stops over ids it cannot compare";
    let ids = |ids: &[&str]| {
        let lines = ids
            .iter()
            .map(|id| format!("0 invoke generate\n0 ok generate {id}\n"));
        lines.collect::<String>()
    };
    // Of 105 bits, equal as floating-point numbers.
    let (wide, next) = (
        "31691265005705735037417580545",
        "31691265005705735037417580546",
    );
    assert_table(
        "unique-ids",
        &[
            ("no id", SOURCE, "true", ""),
            ("ok: different ids", SOURCE, "true", &ids(&["1", "2", "-1"])),
            ("ok: an id twice", SOURCE, "false", &ids(&["1", "2", "1"])),
            (
                "ok: different wide numbers",
                SOURCE,
                "true",
                &ids(&[wide, next]),
            ),
            (
                "ok: a wide number twice",
                SOURCE,
                "false",
                &ids(&[wide, wide]),
            ),
            (
                "ok: an integer and a float",
                SOURCE,
                "true",
                &ids(&["1", "1.0"]),
            ),
            (
                "ok: a float written in two ways",
                SOURCE,
                "false",
                &ids(&["1.10", "1.1"]),
            ),
            ("ok: both zeros", SOURCE, "false", &ids(&["0.0", "-0.0"])),
            (
                "ok: neighbouring floats",
                SOURCE,
                "true",
                &ids(&["0.3", "0.30000000000000004"]),
            ),
            ("ok: null once", SOURCE, "true", &ids(&["nil"])),
            ("ok: null twice", SOURCE, "false", &ids(&["nil", "nil"])),
            (
                "ok: a number and its text",
                EXCEPTION,
                "true",
                &ids(&["7", "\"7\""]),
            ),
            (
                "ok: equal lists",
                SOURCE,
                "false",
                &ids(&["[1 2]", "[1 2]"]),
            ),
            (
                "ok: equal maps",
                EXCEPTION,
                "false",
                &ids(&["{\"a\" 1, \"b\" 2}", "{\"b\" 2, \"a\" 1}"]),
            ),
            (
                "fail and info: whatever they hold",
                SOURCE,
                "true",
                "0 invoke generate\n0 ok generate 7\n0 invoke generate\n0 fail generate 7
                 0 invoke generate\n0 info generate 7",
            ),
        ],
    );
}
