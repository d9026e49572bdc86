//! Maelstrom's services, through their public interface.

use glomer_runtime::Rng;
use glomer_runtime::sim::service::{LinKv, LinTso, LwwKv, SeqKv, Service, defaults};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A service under test, and its random numbers.
struct Bench<S> {
    service: S,
    rng: Rng,
}

impl<S: Service + Default> Bench<S> {
    fn new(seed: u64) -> Bench<S> {
        println!("seed {seed}");
        Bench {
            service: S::default(),
            rng: Rng::seeded(seed),
        }
    }

    fn ask(&mut self, src: &str, body: Value) -> Option<Value> {
        let reply = self.ask_text(src, &body.to_string())?;
        Some(serde_json::from_str(&reply).unwrap())
    }

    fn ask_text(&mut self, src: &str, body: &str) -> Option<String> {
        let now = Duration::ZERO;
        self.service.handle(now, src, body, &mut self.rng)
    }

    fn read(&mut self, src: &str, key: &str) -> Option<Value> {
        let mut reply = self.ask(src, json!({"type": "read", "key": key}))?;
        if reply["type"] == "error" {
            assert_eq!(reply, missing());
            return None;
        }
        assert_eq!(reply["type"], "read_ok");
        Some(reply["value"].take())
    }

    fn write(&mut self, src: &str, key: &str, value: impl Into<Value>) {
        let body = json!({"type": "write", "key": key, "value": value.into()});
        assert_eq!(self.ask(src, body), Some(json!({"type": "write_ok"})));
    }

    fn cas(&mut self, src: &str, from: impl Into<Value>, to: impl Into<Value>) -> Value {
        let body = json!({"type": "cas", "key": "x", "from": from.into(), "to": to.into()});
        self.ask(src, body).unwrap()
    }
}

fn missing() -> Value {
    json!({"type": "error", "code": 20, "text": "key does not exist"})
}

#[test]
fn the_four_services_answer_by_name_and_refer_to_the_request() {
    let mut rng = Rng::seeded(1);
    let mut names = BTreeSet::new();
    for (name, mut service) in defaults() {
        let body = match name {
            "lin-tso" => json!({"type": "ts", "msg_id": 7}),
            _ => json!({"type": "write", "key": "k", "value": 1, "msg_id": 7}),
        };
        let reply = service
            .answer(Duration::ZERO, "n0", &body.to_string(), &mut rng)
            .unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(reply["in_reply_to"], 7);
        for unknown in [
            r#"{"type":"frobnicate","msg_id":8}"#,
            "{}",
            r#"{"type":7}"#,
            "[]",
        ] {
            let reply = service.answer(Duration::ZERO, "n0", unknown, &mut rng);
            assert_eq!(reply, None, "{unknown}");
        }
        names.insert(name);
    }
    assert_eq!(
        names,
        BTreeSet::from(["lin-kv", "lin-tso", "lww-kv", "seq-kv"])
    );
}

#[test]
fn lin_kv_reads_writes_and_compares() {
    let mut kv = Bench::<LinKv>::new(1);
    assert_eq!(kv.read("n0", "x"), None);
    assert_eq!(kv.cas("n0", 1, 2), missing());
    kv.write("n0", "x", 1);
    assert_eq!(kv.read("n1", "x"), Some(json!(1)));
    assert_eq!(kv.cas("n1", 1, 2), json!({"type": "cas_ok"}));
    assert_eq!(kv.read("n0", "x"), Some(json!(2)));
    // A number and its text are different keys.
    let body = json!({"type": "write", "key": 1, "value": "number"});
    kv.ask("n0", body);
    assert_eq!(kv.read("n0", "1"), None);
}

#[test]
fn a_failing_cas_tells_the_values_as_maelstrom_prints_them() {
    let mut kv = Bench::<LinKv>::new(1);
    kv.write("n0", "x", json!({"a": [1, "two", null]}));
    assert_eq!(
        kv.cas("n0", "a \"b\"", 1),
        json!({
            "type": "error",
            "code": 22,
            "text": r#"current value {"a" [1 "two" nil]} is not "a \"b\"""#,
        })
    );
    let mut lww = Bench::<LwwKv>::new(1);
    let text = loop {
        // Until it comes to a replica that has heard of the key.
        lww.write("n0", "x", "here");
        let reply = lww.cas("n0", "there", 1);
        if reply["code"] == 22 {
            break reply["text"].clone();
        }
    };
    assert_eq!(text, r#"current value "here" is not there"#);
}

#[test]
fn cas_creates_only_what_it_is_asked_to_create() {
    let create = |flag: Value| json!({"type": "cas", "key": "x", "from": 0, "to": 1, "create_if_not_exists": flag});
    let mut kv = Bench::<LinKv>::new(1);
    assert_eq!(kv.ask("n0", create(json!(false))), Some(missing()));
    assert_eq!(
        kv.ask("n0", create(json!(true))),
        Some(json!({"type": "cas_ok"}))
    );
    assert_eq!(kv.read("n0", "x"), Some(json!(1)));
    assert_eq!(kv.ask("n0", create(json!(true))).unwrap()["code"], 22);

    let mut seq = Bench::<SeqKv>::new(1);
    assert_eq!(
        seq.ask("n0", create(json!(true))),
        Some(json!({"type": "cas_ok"}))
    );
    let mut lww = Bench::<LwwKv>::new(1);
    assert_eq!(lww.ask("n0", create(json!(true))), Some(missing()));
}

#[test]
fn seq_kv_lets_a_reader_see_the_past_but_never_go_back() {
    let mut stale = 0;
    for seed in 0..50 {
        let mut kv = Bench::<SeqKv>::new(seed);
        let mut last = 0;
        // More changes than states are kept, by a writer that outruns the reader.
        for i in 1..=200 {
            kv.write("n0", "x", i);
            assert_eq!(
                kv.read("n0", "x"),
                Some(json!(i)),
                "a writer sees its own writes"
            );
            if i % 7 == 0 {
                let seen = kv.read("n1", "x").map_or(0, |v| v.as_i64().unwrap());
                assert!(seen >= last, "seed {seed}: went back from {last} to {seen}");
                assert!(
                    seen > i - 32,
                    "seed {seed}: {seen} is more than 32 states old at {i}"
                );
                stale += i32::from(seen < i);
                last = seen;
            }
        }
        // Whoever changes something has seen everything.
        kv.write("n1", "y", 1);
        assert_eq!(kv.read("n1", "x"), Some(json!(200)));
    }
    assert!(stale > 500, "only {stale} stale reads of 1400");
}

#[test]
fn seq_kv_keeps_keys_that_are_not_written_for_long() {
    let mut kv = Bench::<SeqKv>::new(3);
    kv.write("n0", "old", 0);
    kv.write("n0", "old", 1);
    for i in 0..500 {
        kv.write("n0", "x", i);
    }
    for _ in 0..100 {
        assert_eq!(kv.read("n1", "old"), Some(json!(1)));
    }
}

#[test]
fn seq_kv_may_answer_a_write_that_changes_nothing_in_the_past() {
    // The history of Maelstrom's doc/services.md: n1 writes 1, n2 makes it 2, n1 writes 1
    // again, n2 reads: legally 2, and just as legally 1.
    let mut reads = BTreeSet::new();
    for seed in 0..100 {
        let mut kv = Bench::<SeqKv>::new(seed);
        kv.write("n1", "x", 1);
        let mut cas = kv.cas("n2", 1, 2);
        while cas["type"] == "error" {
            assert_eq!(cas, missing());
            cas = kv.cas("n2", 1, 2);
        }
        kv.write("n1", "x", 1);
        reads.insert(kv.read("n2", "x").unwrap().as_i64().unwrap());
    }
    assert_eq!(reads, BTreeSet::from([1, 2]));
}

#[test]
fn seq_kv_applies_every_change_to_the_latest_state() {
    for seed in 0..20 {
        let mut kv = Bench::<SeqKv>::new(seed);
        kv.write("n0", "x", 0);
        let (mut value, mut refused) = (0, 0);
        // Two counters in turn, each by compare-and-set of what it reads.
        while value < 100 {
            let node = if value % 2 == 0 { "n1" } else { "n2" };
            let from = kv.read(node, "x").map_or(0, |v| v.as_i64().unwrap());
            if kv.cas(node, from, from + 1)["type"] == "cas_ok" {
                assert_eq!(from, value, "seed {seed}: a change was lost");
                value += 1;
            } else {
                refused += 1;
            }
        }
        assert!(refused > 0, "seed {seed}: never met the past");
    }
}

#[test]
fn lww_kv_loses_updates_and_converges() {
    let (mut stale, mut lost) = (0, 0);
    for seed in 0..100 {
        let mut kv = Bench::<LwwKv>::new(seed);
        kv.write("n0", "x", 1);
        stale += i32::from(kv.read("n0", "x") != Some(json!(1)));
        kv.write("n1", "x", 2);
        for _ in 0..100 {
            kv.read("n0", "other");
        }
        let settled = kv.read("n0", "x");
        lost += i32::from(settled != Some(json!(2)));
        for _ in 0..20 {
            assert_eq!(kv.read("n0", "x"), settled, "seed {seed}");
        }
    }
    assert!(stale > 10 && lost > 5, "{stale} stale, {lost} lost of 100");
}

#[test]
fn lin_tso_counts_from_zero() {
    let mut tso = Bench::<LinTso>::new(1);
    for ts in 0..3 {
        let reply = tso.ask("n0", json!({"type": "ts"}));
        assert_eq!(reply, Some(json!({"type": "ts_ok", "ts": ts})));
    }
}

/// What a store gives back, digit for digit, and what it takes for the same.
#[test]
fn values_keep_their_digits_and_are_compared_as_clojure_compares_them() {
    fn all<S: Service + Default>() {
        let mut kv = Bench::<S>::new(1);
        for value in [
            "9007199254740993",
            "18446744073709551616",
            "1267650600228229401496703205377",
            "-9223372036854775809",
            "1.10",
            "0.30000000000000004",
            "5e-324",
            "1.0",
            "-0.0",
            r#"{"b":[1, null],"a":"\u0000\"\\/"}"#,
        ] {
            let write = format!(r#"{{"type":"write","key":"k","value":{value}}}"#);
            let read = format!(r#"{{"type":"read_ok","value":{value}}}"#);
            // Until all replicas and states have it.
            for _ in 0..200 {
                kv.ask_text("n0", &write);
            }
            let reply = kv.ask_text("n0", r#"{"type":"read","key":"k"}"#);
            assert_eq!(reply.unwrap(), read);
        }
    }
    all::<LinKv>();
    all::<SeqKv>();
    all::<LwwKv>();

    let mut kv = Bench::<LinKv>::new(1);
    for (value, from, same) in [
        (
            "1267650600228229401496703205377",
            "1267650600228229401496703205379",
            false,
        ),
        (
            "1267650600228229401496703205377",
            "1267650600228229401496703205377",
            true,
        ),
        ("1", "1.0", false),
        ("1.10", "11e-1", true),
        ("0.0", "-0.0", true),
        ("-0", "0", true),
        ("0.1", "0.10000000000000002", false),
        (r#""A""#, r#""\u0041""#, true),
        (r#""1""#, "1", false),
        ("null", r#""nil""#, false),
        (r#"{"a":1,"b":[2]}"#, r#"{ "b": [2], "a": 1 }"#, true),
        ("[1,2]", "[2,1]", false),
        ("[]", "{}", false),
        ("[]", "null", false),
    ] {
        kv.ask_text(
            "n0",
            &format!(r#"{{"type":"write","key":1,"value":{value}}}"#),
        );
        let cas = format!(r#"{{"type":"cas","key":1,"from":{from},"to":7}}"#);
        let reply = kv.ask_text("n0", &cas).unwrap();
        assert_eq!(
            reply == r#"{"type":"cas_ok"}"#,
            same,
            "{value} {from}: {reply}"
        );
    }
    // As a key, too.
    kv.ask_text(
        "n0",
        r#"{"type":"write","key":18446744073709551616,"value":1}"#,
    );
    let other = kv.ask_text("n0", r#"{"type":"read","key":18446744073709551617}"#);
    assert!(other.unwrap().contains("key does not exist"));
}

#[test]
fn what_is_nested_too_deep_is_told() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut kv = Bench::<LinKv>::new(1);
    for depth in [127, 200, 1_000] {
        let write = format!(r#"{{"type":"write","key":"k","value":{}}}"#, nested(depth));
        assert_eq!(kv.ask_text("n0", &write).unwrap(), r#"{"type":"write_ok"}"#);
    }
    let write = format!(
        r#"{{"type":"write","key":"k","value":{},"msg_id":7}}"#,
        nested(1_001)
    );
    let mut rng = Rng::seeded(1);
    let reply = kv.service.answer(Duration::ZERO, "n0", &write, &mut rng);
    assert_eq!(
        serde_json::from_str::<Value>(&reply.unwrap()).unwrap(),
        json!({
            "type": "error",
            "code": 12,
            "text": "its value cannot be read: it is nested deeper than 1000 levels",
            "in_reply_to": 7,
        })
    );
}

/// What went through a store's client is what it was.
#[test]
fn the_clients_of_the_stores_keep_every_digit() {
    use glomer_runtime::prelude::*;
    use glomer_runtime::sim::Cluster;

    #[derive(Default)]
    struct Keeper;

    #[handler("keep", reply = "kept")]
    async fn keep(_: &Shared<Keeper>, cx: &Context) -> Result<(u128, i128, f64), Error> {
        let kv = cx.lin_kv();
        let (wide, low, float) = ((1_u128 << 100) + 1, i128::from(i64::MIN) - 1, 0.1 + 0.2);
        kv.write("wide", wide).await?;
        assert_eq!(kv.cas("wide", wide + 2, 7).await.unwrap_err().code(), 22);
        kv.cas("wide", wide, wide + 1).await?;
        kv.write("low", low).await?;
        kv.write("float", float).await?;
        let wide = kv.read::<u128>("wide").await?;
        let wrong = kv.read::<String>("wide").await.unwrap_err();
        assert_eq!(wrong.code(), 13);
        Ok((wide, kv.read("low").await?, kv.read("float").await?))
    }

    let mut cluster = Cluster::<Keeper>::new(1).start();
    let kept = cluster.call("n0", Keep {}).unwrap();
    assert_eq!(
        kept,
        ((1 << 100) + 2, i128::from(i64::MIN) - 1, 0.1_f64 + 0.2)
    );
}
