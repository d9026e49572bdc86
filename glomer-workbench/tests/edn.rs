//! Reading and printing EDN.

use glomer_workbench::edn::Edn;
use proptest::prelude::*;

#[test]
fn every_kind_of_value_is_read_and_printed_back() {
    for text in [
        "nil",
        "true",
        "-7",
        "9223372036854775807",
        "18446744073709551615N",
        "-170141183460469231731687303715884105728N",
        "1.5",
        "0.58965516",
        "1.0E-4",
        "2.5E10",
        "##Inf",
        "##-Inf",
        "##NaN",
        "\\a",
        "\\newline",
        r#""tab \t quote \" backslash \\ ヽ(‘ー`)ノ""#,
        ":valid?",
        ":jepsen/op",
        "a-symbol",
        "->",
        "()",
        "(1 2)",
        "[[:append 9 1] [:r 8 nil]]",
        r##"#{"n2" "n1"}"##,
        "{:z 1, :a {0 0, 0.5 0, 1 0}}",
        r##"#inst "1985-04-12T23:20:50.52Z""##,
        "#jepsen.history.Op{:index 0}",
        "#tag #{1}",
    ] {
        assert_eq!(
            Edn::parse(text).map(|value| value.to_string()),
            Ok(text.to_owned())
        );
    }
}

#[test]
fn what_has_several_notations_is_read_in_all_of_them() {
    for (text, same) in [
        ("+5", "5"),
        ("5N", "5"),
        ("18446744073709551615", "18446744073709551615N"),
        ("1e3", "1000.0"),
        ("1.5M", "1.5"),
        (r#""\u0041""#, r#""A""#),
        (r#""\ud83d\ude00""#, r#""😀""#),
        (r"\u0041", r"\A"),
        ("[1,2 ,, 3]", "[1 2 3]"),
        ("[1 ; two\n #_ [discarded] 3]", "[1 3]"),
        ("[1 #_2]", "[1]"),
    ] {
        assert_eq!(
            Edn::parse(text).map(|value| value.to_string()),
            Ok(same.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn errors_name_the_place_and_what_is_wrong() {
    for (text, line, column, message) in [
        ("", 1, 1, "expected a value"),
        ("1 2", 1, 3, "expected one value, found `2`"),
        ("{:a\n [1 2", 2, 2, "never closed with `]`"),
        ("{:a}", 1, 1, "pairs keys with values"),
        ("[1\n  é)", 2, 4, "closes nothing that is open"),
        ("\"abc", 1, 1, "never closed"),
        (r#""\q""#, 1, 2, "unknown escape"),
        (r#""\u12""#, 1, 2, "four hex digits"),
        (r#""\ud83d""#, 1, 2, "four hex digits"),
        ("[1/2]", 1, 2, "`1/2` is not a number"),
        ("1x", 1, 1, "`1x` is not a number"),
        ("#", 1, 1, "`#` starts a set"),
        ("#inst", 1, 1, "takes a value"),
        ("##Nan", 1, 1, "Inf, -Inf or NaN"),
        (":", 1, 1, "no name follows"),
        (r"\nonsense", 1, 1, "unknown character"),
        ("[#_]", 1, 4, "closes nothing"),
        ("#_", 1, 1, "`#_` discards a value"),
    ] {
        let error = Edn::parse(text).expect_err(text);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

#[test]
fn nesting_that_would_exhaust_the_stack_is_refused() {
    for open in ["[", "{1 ", "#{", "#t ", "#_ "] {
        let error = Edn::parse(&open.repeat(100_000)).expect_err(open);
        assert!(error.message.contains("nested deeper"), "{error}");
    }
}

#[test]
fn maps_and_sets_compare_by_content_and_keep_their_order() {
    let read = |text| Edn::parse(text).unwrap();
    assert_eq!(read("{:a 1, :b 2}"), read("{:b 2, :a 1}"));
    assert_eq!(read("#{1 2}"), read("#{2 1}"));
    assert_ne!(read("{:a 1}"), read("{:a 2}"));
    assert_ne!(read("[1 2]"), read("[2 1]"));
    assert_ne!(read("(1)"), read("[1]"));
    assert_ne!(read("1"), read("1.0"));
    let keys = std::collections::HashSet::from([read("{:a 1, :b 2}"), read("{:b 2, :a 1}")]);
    assert_eq!(keys.len(), 1);
    assert!(read("-20000000000000000000N") < read("-1"));
    assert!(read("-1") < read("20000000000000000000N"));
}

#[test]
fn json_has_the_same_names_and_the_same_order() {
    let value = Edn::parse(
        r##"{:valid? false, :lost (3 20), :by-key {0 :ok, "9" [:x 1.5]}, :n nil,
            :set #{"a"}, :op #jepsen.history.Op{:index 4}, :big 18446744073709551615,
            :bigger 99999999999999999999, :inf ##Inf}"##,
    )
    .unwrap();
    let json = concat!(
        r#"{"valid?":false,"lost":[3,20],"by-key":{"0":"ok","9":["x",1.5]},"n":null,"#,
        r#""set":["a"],"op":{"index":4},"big":18446744073709551615,"#,
        r###""bigger":99999999999999999999,"inf":"##Inf"}"###,
    );
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    let without_digits = json.replace("99999999999999999999", "\"99999999999999999999\"");
    assert_eq!(
        value.to_json(),
        serde_json::from_str::<serde_json::Value>(&without_digits).unwrap()
    );
}

#[test]
fn json_is_read_and_written_digit_for_digit() {
    for json in [
        "9007199254740993",
        "-9223372036854775809",
        "18446744073709551616",
        "1267650600228229401496703205377",
        "1.1",
        "0.30000000000000004",
        "5e-324",
        "1e+308",
        "1.0",
        "-0.0",
        r#""a\u0000b""#,
        r#"{"a":[null,true,{}],"b":"😀\"\\/"}"#,
    ] {
        let value = Edn::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(Edn::parse(&value.to_string()).unwrap(), value, "{json}");
    }
    let same = |a, b| Edn::from_json(a).unwrap() == Edn::from_json(b).unwrap();
    assert!(!same(
        "1267650600228229401496703205377",
        "1267650600228229401496703205379"
    ));
    assert!(!same("1", "1.0"));
    assert!(same("1.10", "11e-1"));
    assert!(same("0.0", "-0.0"));
    assert!(same("-0", "0"));
    assert!(same(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":3,"a":1}"#));
}

#[test]
fn json_nests_as_deep_as_under_maelstrom() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let deep = nested(1_000);
    assert_eq!(
        serde_json::to_string(&Edn::from_json(&deep).unwrap()).unwrap(),
        deep
    );
    let error = Edn::from_json(&nested(1_001)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("nested deeper than 1000 levels"),
        "{error}"
    );
    assert!(Edn::from_json("[1").is_err());
    assert!(Edn::from_json("1 2").is_err());
}

#[test]
fn single_precision_numbers_print_in_single_precision() {
    assert_eq!(Edn::float32(171.0 / 290.0).to_string(), "0.58965516");
    assert_eq!(Edn::float32(1.0).to_string(), "1.0");
}

/// Results that Jepsen wrote come out of the reader and the printer as they went in.
#[test]
fn results_are_laid_out_as_jepsen_lays_them_out() {
    for text in [
        include_str!("histories/bcast_repair_part/results.edn"),
        include_str!("histories/lin_stale/results.edn"),
        include_str!("histories/pn_lossy/results.edn"),
    ] {
        let printed = Edn::parse(text).unwrap().pretty(Edn::RESULTS_WIDTH);
        assert_eq!(
            printed.lines().collect::<Vec<_>>(),
            text.lines().collect::<Vec<_>>()
        );
    }
}

#[test]
fn numbers_fill_their_lines_where_people_look() {
    let values = (0..30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let map = Edn::parse(&format!("{{:stale ({values}), :never-read #{{}}}}")).unwrap();
    let lines = "\
{:stale (0 1 2 3 4 5 6 7 8 9
         10 11 12 13 14 15 16
         17 18 19 20 21 22 23
         24 25 26 27 28 29),
 :never-read #{}}";
    assert_eq!(map.shown(30), lines);
    // What is no number has a line of its own, as everywhere.
    let words = Edn::parse("(:first :second :third)").unwrap();
    assert_eq!(words.shown(12), "(:first\n :second\n :third)");
}

fn value() -> impl Strategy<Value = Edn> {
    let scalar = prop_oneof![
        Just(Edn::Nil),
        any::<bool>().prop_map(Edn::Bool),
        any::<i64>().prop_map(Edn::Int),
        any::<f64>().prop_map(Edn::Float),
        any::<char>().prop_map(Edn::Char),
        any::<String>().prop_map(Edn::String),
        "[a-z?*!_-]{1,8}(/[a-z]{1,4})?".prop_map(Edn::Keyword),
        "[a-z*!_]{4,8}[?]".prop_map(Edn::Symbol),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Edn::List),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Edn::Vector),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Edn::Set),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Edn::Map),
            ("[a-z]{1,6}", inner).prop_map(|(tag, value)| Edn::Tagged(tag, Box::new(value))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(value in value(), width in 1_usize..120) {
        prop_assert_eq!(Edn::parse(&value.to_string()), Ok(value.clone()));
        prop_assert_eq!(Edn::parse(&value.pretty(width)), Ok(value));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"[\[\]{}()#_"\\:;~^0-9a-zN. \n\u{e9}]{0,40}"#) {
        let _ = Edn::parse(&text);
    }
}

#[test]
fn of_a_long_string_people_see_the_beginning_and_how_long_it_is() {
    let (long, as_it_is) = ("é".repeat(1_001), "é".repeat(1_000));
    let cut = format!("{as_it_is}… (1001 characters)");
    for shape in [
        "@",
        "(1 @)",
        "[@ nil]",
        "#{@}",
        "{:a @}",
        "{@ :b}",
        "#some/tag [@]",
    ] {
        let with = |text: &str| Edn::parse(&shape.replace('@', &format!("\"{text}\""))).unwrap();
        assert_eq!(with(&long).shortened(), with(&cut), "{shape}");
        assert_eq!(with(&as_it_is).shortened(), with(&as_it_is), "{shape}");
    }
}
