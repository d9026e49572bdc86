//! Whatever plain `serde_json` accepts as a type, a handler accepts, with the
//! same value, and nothing else; what a handler writes plain `serde_json` and
//! an rpc read back.
//!
//! For each type there is a handler that tells what it saw, and for most one
//! that sends it back. `serde_json` is given the same fields, and for types that
//! take whatever there is those of the header as well.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use glomer_runtime::sim::Cluster;
use glomer_runtime::{Node, prelude::*};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

// The types.

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    a: Option<i64>,
    #[serde(default)]
    b: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Denying {
    a: Option<Inner>,
    #[serde(default, alias = "x")]
    b: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Inner {
    k: i8,
}

impl Default for Inner {
    fn default() -> Self {
        Self { k: 7 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "a")]
enum Internal {
    #[serde(rename = "r")]
    Red { b: Option<Value> },
    #[serde(rename = "Gray")]
    Gray,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    a: Option<Cow<'static, str>>,
    #[serde(flatten)]
    inner: Option<Plain>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number { a: u8 },
    Both { a: Value, b: Value },
    Any(BTreeMap<String, Value>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum External {
    A(Value),
    B {
        k: i64,
    },
    C(u8, String),
    #[serde(rename = "b")]
    D,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "a", content = "b")]
enum Adjacent {
    #[serde(rename = "r")]
    Unit,
    Red(Value),
    Gray {
        k: i8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Key(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    a: Option<u128>,
    b: Option<i128>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Floats {
    a: Option<f64>,
    b: Option<f32>,
    x: Option<char>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Raw {
    a: Box<RawValue>,
    #[serde(default)]
    b: Option<Box<RawValue>>,
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        let text = |raw: &Self| (raw.a.to_string(), raw.b.as_ref().map(ToString::to_string));
        text(self) == text(other)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Wrapped(Box<Plain>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tuples {
    a: Option<(Value, Value)>,
    b: Option<[i64; 2]>,
    #[serde(default)]
    x: Option<External>,
}

/// How often `serde_json` took and refused what a type was given.
#[derive(Default)]
struct Tally {
    taken: u32,
    refused: u32,
}

#[derive(Default)]
struct State;

/// A node that knows its name.
fn node() -> Node<State> {
    let mut node = Node::new(1).unwrap();
    let init =
        r#"{"src":"c1","dest":"n1","body":{"type":"init","node_id":"n1","node_ids":["n1"]}}"#;
    node.handle(Duration::ZERO, init.as_bytes());
    node
}

/// What the node answers to a request with these fields.
fn ask(node: &mut Node<State>, kind: &str, fields: &[String], at: usize) -> Value {
    let mut fields = fields.to_vec();
    fields.insert(at % (fields.len() + 1), format!("\"type\": \"{kind}\""));
    fields.insert(at % (fields.len() + 1), "\"msg_id\":1".into());
    let line = format!(
        r#"{{"src":"c1","dest":"n1","body":{{{}}}}}"#,
        fields.join(",")
    );
    node.handle(Duration::ZERO, line.as_bytes());
    let output = node.take_output();
    let mut answers = output.messages();
    let answer = answers
        .next()
        .unwrap_or_else(|| panic!("no answer to {line}"));
    assert!(answers.next().is_none(), "two answers to {line}");
    serde_json::from_slice::<Value>(answer.line).unwrap()["body"].take()
}

/// Asks the node and `serde_json` the same.
fn agree<T>(node: &mut Node<State>, kind: &str, fields: &[String], at: usize, tally: &mut Tally)
where
    T: Debug + DeserializeOwned,
{
    let text = format!("{{{}}}", fields.join(","));
    let plain = serde_json::from_str::<T>(&text);
    let answer = ask(node, kind, fields, at);
    match plain {
        Ok(value) => {
            tally.taken += 1;
            assert_eq!(
                answer["seen"],
                format!("{value:?}"),
                "{kind}: {text}: {answer}"
            );
        }
        Err(error) => {
            tally.refused += 1;
            assert_eq!(answer["code"], 12, "{kind}: {text}: {error}: {answer}");
        }
    }
}

/// There and not yet back: `serde_json` reads a float only nearly as it wrote it.
fn trip<T: DeserializeOwned + Serialize>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

macro_rules! kinds {
    ($($module:ident $see:literal $echo:literal $T:ty;)*) => {
        $(mod $module {
            use super::*;

            #[handler($see, message = See, reply = "seen")]
            fn see(_: &State, Body(value): Body<$T>) -> String {
                format!("{value:?}")
            }

            #[handler($echo, message = Echo)]
            fn echo(_: &State, Body(value): Body<$T>) -> $T {
                value
            }

            pub(super) fn back(cluster: &mut Cluster<State>, fields: &[String]) {
                let text = format!("{{{}}}", fields.join(","));
                let Ok(value) = serde_json::from_str::<$T>(&text) else { return };
                let once: $T = trip(&value);
                if !serde_json::to_value(&once).is_ok_and(|value| value.is_object()) {
                    return;
                }
                let back = cluster.call("n0", Echo(value)).map(|value| format!("{value:?}"));
                assert_eq!(back, Ok(format!("{:?}", trip(&once))), "{text}");
            }
        })*

        /// Every type once.
        fn all_agree(node: &mut Node<State>, fields: &[String], at: usize, tallies: &mut Tallies) {
            $(agree::<$T>(node, $see, fields, at, tallies.entry($see).or_default());)*
        }

        /// Every type from an rpc to its handler, and as the reply back.
        fn all_come_back(cluster: &mut Cluster<State>, fields: &[String]) {
            $($module::back(cluster, fields);)*
        }
    };
}

type Tallies = BTreeMap<&'static str, Tally>;

// Types that are shown nothing of the header unless they name it.
kinds! {
    plain "see_plain" "echo_plain" Plain;
    denying "see_denying" "echo_denying" Denying;
    external "see_external" "echo_external" External;
    adjacent "see_adjacent" "echo_adjacent" Adjacent;
    wide "see_wide" "echo_wide" Wide;
    floats "see_floats" "echo_floats" Floats;
    raw "see_raw" "echo_raw" Raw;
    wrapped "see_wrapped" "echo_wrapped" Wrapped;
    tuples "see_tuples" "echo_tuples" Tuples;
    internal "see_internal" "echo_internal" Internal;
}

/// Types that are shown all of the header.
mod whole {
    use super::*;

    macro_rules! whole {
        ($($module:ident $see:literal $T:ty;)*) => {
            $(mod $module {
                use super::*;

                #[handler($see, message = See, reply = "seen")]
                fn see(_: &State, Body(value): Body<$T>) -> String {
                    format!("{value:?}")
                }
            })*

            pub(super) fn all_agree(
                node: &mut Node<State>,
                fields: &[String],
                tallies: &mut Tallies,
            ) {
                $({
                    let mut fields = fields.to_vec();
                    let kind = concat!("\"type\": \"", $see, "\"");
                    let text = format!("{{{}}}", {
                        fields.insert(0, kind.into());
                        fields.insert(0, "\"msg_id\":1".into());
                        fields.join(",")
                    });
                    let answer = ask(node, $see, &fields[2..], 0);
                    let tally = tallies.entry($see).or_default();
                    match serde_json::from_str::<$T>(&text) {
                        Ok(value) => {
                            tally.taken += 1;
                            assert_eq!(answer["seen"], format!("{value:?}"), "{text}: {answer}");
                        }
                        Err(error) => {
                            tally.refused += 1;
                            assert_eq!(answer["code"], 12, "{text}: {error}: {answer}");
                        }
                    }
                })*
            }
        };
    }

    whole! {
        flat "see_flat" Flat;
        untagged "see_untagged" Untagged;
        any "see_any" Value;
        strings "see_strings" BTreeMap<String, Value>;
        keys "see_keys" BTreeMap<Key, Option<Value>>;
        options "see_options" BTreeMap<Option<Key>, Value>;
    }
}

/// The text of a value that has no parts, or only of one kind.
fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..300i64).prop_map(|number| number.to_string()),
        1 => any::<i128>().prop_map(|number| number.to_string()),
        1 => any::<u128>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| serde_json::to_string(&number).unwrap()),
        1 => Just("1e400".to_owned()),
        2 => Just("null".to_owned()),
        1 => any::<bool>().prop_map(|truth| truth.to_string()),
        3 => prop::sample::select(vec![
            r#""r""#, r#""Red""#, r#""Gray""#, r#""\u0072""#, r#""\ud83d\ude00é\n""#, r#""\ud800""#, r#""""#,
        ]).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        1 => (1..100usize).prop_map(|deep| format!("{}1{}", "[".repeat(deep), "]".repeat(deep))),
    ]
}

/// The text of a value, of the kinds that the types ask for and of all others.
fn value() -> impl Strategy<Value = String> {
    let nested = leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| format!("[{} ]", values.join(" , "))),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("[{one},{other}]")),
            inner
                .clone()
                .prop_map(|value| format!(r#"{{"k": {value}}}"#)),
            (0..300i64).prop_map(|value| format!(r#"{{"k":{value}}}"#)),
            inner.prop_map(|value| format!(r#"{{"Red":{value}}}"#)),
        ]
    });
    prop_oneof![leaf(), nested]
}

/// The text of a field, whose name may have escapes.
fn field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "x", "k", "A", "B", "C", "\\u0061", "\\u0062", "7", "-3", "\\\"", "types", "$serde_json::private::RawValue",
        ]).prop_map(str::to_owned),
        1 => "[c-z]{1,8}",
    ];
    (name, value(), any::<bool>()).prop_map(|(name, value, space)| {
        format!("\"{name}\"{}:{value}", if space { " " } else { "" })
    })
}

/// Bodies of few fields and of many, of the right ones and of any.
fn fields() -> impl Strategy<Value = Vec<String>> {
    let right = || {
        let both = |(a, b)| vec![format!("\"b\":{b}"), format!("\"a\":{a}")];
        (value(), value()).prop_map(both)
    };
    let variant = (prop::sample::select(vec!["A", "B", "C", "b"]), value());
    prop_oneof![
        2 => prop::collection::vec(field(), 0..3),
        1 => variant.prop_map(|(name, value)| vec![format!("\"{name}\":{value}")]),
        3 => right(),
        1 => (right(), prop::collection::vec(field(), 0..38)).prop_map(|(right, more)| {
            right.into_iter().chain(more).collect()
        }),
    ]
}

/// Runs `test` on as many bodies, whose seed a failure tells.
fn on_bodies(cases: u32, mut test: impl FnMut(&[String], usize)) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let test = std::cell::RefCell::new(&mut test);
    let ran = runner.run(&(fields(), any::<usize>()), |(fields, at)| {
        (test.borrow_mut())(&fields, at % 64);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_handler_takes_what_serde_json_takes_with_the_same_value() {
    let mut node = node();
    let mut tallies = Tallies::new();
    on_bodies(2000, |fields, at| {
        all_agree(&mut node, fields, at, &mut tallies);
        whole::all_agree(&mut node, fields, &mut tallies);
    });
    for (kind, Tally { taken, refused }) in tallies {
        assert!(taken > 10, "{kind} was taken {taken} times only");
        assert!(refused > 10, "{kind} was refused {refused} times only");
    }
}

#[test]
fn what_is_sent_comes_back() {
    let mut cluster = Cluster::<State>::new(1).start();
    on_bodies(1000, |fields, _| all_come_back(&mut cluster, fields));
}
