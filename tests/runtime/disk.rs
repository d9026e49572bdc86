//! What a node keeps, and what it says before it is kept: nothing.

use std::time::Duration;

use glomer_runtime::sim::{Cluster, Health, Latency, ms, secs};
use glomer_runtime::{Action, Contents, Node, Output, Write, prelude::*};

/// A log, and how long it is.
#[derive(Default)]
struct Journal {
    entries: Vec<u64>,
    count: u64,
}

#[handler("init")]
fn init(state: &mut Journal, cx: &Context) -> Result<(), Error> {
    let disk = cx.disk();
    let entries = disk.entries("journal", ..)?;
    state.entries = entries.into_iter().map(|(_, entry)| entry).collect();
    state.count = disk.load("count")?.unwrap_or_default();
    Ok(())
}

/// Writes twice, and tells a peer before and in between.
#[handler("add", reply = "count")]
fn add(state: &mut Journal, cx: &Context, value: u64) -> u64 {
    for peer in cx.peers() {
        cx.send(peer, Early {});
    }
    state.entries.push(value);
    assert_eq!(cx.disk().append("journal", &value), state.count);
    for peer in cx.peers() {
        cx.send(peer, Hint { value });
    }
    state.count += 1;
    cx.disk().put("count", &state.count);
    state.count
}

#[handler("early")]
fn early(_: &mut Journal) {}

#[handler("hint")]
fn hint(_: &mut Journal, value: u64) {
    assert!(value < 100);
}

#[handler("read", reply = "entries")]
fn read(state: &Journal) -> Vec<u64> {
    state.entries.clone()
}

/// Writes before it waits, and after.
#[handler("twice")]
async fn twice(_: &Shared<Journal>, cx: &Context) {
    cx.disk().put("first", "");
    cx.sleep(Duration::ZERO).await;
    cx.disk().put("second", "");
}

/// Keeps what is no number where a number is read.
#[handler("spoil")]
fn spoil(_: &Journal, cx: &Context) {
    cx.disk().put("count", "seven");
}

fn line(body: &str) -> Vec<u8> {
    format!(r#"{{"src":"c1","dest":"n1","body":{body}}}"#).into_bytes()
}

const INIT: &str = r#"{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}"#;

fn started(contents: Contents) -> Node<Journal> {
    let mut node = Node::new(0).unwrap();
    node.set_disk(contents);
    node.handle(Duration::ZERO, &line(INIT));
    node
}

/// What the node wants done: the types of messages, and writes in brackets.
fn actions(output: &Output) -> Vec<String> {
    let mut actions = Vec::new();
    for action in output.actions() {
        match action {
            Action::Send(batch) => {
                let lines = batch.lines().split(|byte| *byte == b'\n');
                let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
                let messages: Vec<_> = batch.messages().collect();
                let same = messages.iter().map(|message| message.line);
                assert!(same.eq(lines.iter().copied()), "the same in one piece");
                actions.extend(messages.iter().map(|message| message.kind.to_owned()));
            }
            Action::Write(writes) => {
                let writes = writes.iter().map(|write| match write {
                    Write::Put { key, value } => format!("{key}={value}"),
                    Write::Append { log, entry } => format!("{log}+{entry}"),
                    other => format!("{other:?}"),
                });
                actions.push(format!("[{}]", writes.collect::<Vec<_>>().join(" ")));
            }
            other => panic!("{other:?}"),
        }
    }
    actions
}

#[test]
fn what_a_turn_sends_stands_behind_all_that_it_writes() {
    let mut node = started(Contents::default());
    for value in [7, 8] {
        let add = format!(r#"{{"type":"add","msg_id":2,"value":{value}}}"#);
        node.handle(Duration::ZERO, &line(&add));
        node.handle(Duration::ZERO, &line(r#"{"type":"read","msg_id":3}"#));
    }
    let expected = [
        "init_ok",
        "[journal+7 count=1]",
        "early",
        "hint",
        "add_ok",
        "read_ok",
        "[journal+8 count=2]",
        "early",
        "hint",
        "add_ok",
        "read_ok",
    ];
    let output = node.take_output();
    assert_eq!(actions(&output), expected);
    let kinds = output.messages().map(|message| message.kind);
    assert!(kinds.eq(expected.into_iter().filter(|it| !it.starts_with('['))));
}

#[test]
fn a_handler_that_waits_has_a_turn_before_and_one_after() {
    let mut node = started(Contents::default());
    node.handle(Duration::ZERO, &line(r#"{"type":"twice","msg_id":2}"#));
    node.tick(Duration::ZERO);
    let expected = ["init_ok", r#"[first=""]"#, r#"[second=""]"#, "twice_ok"];
    assert_eq!(actions(&node.take_output()), expected);
}

#[test]
fn a_node_finds_what_its_disk_holds() {
    let mut contents = Contents::default();
    for entry in ["3", "4"] {
        contents.apply(&Write::Append {
            log: "journal",
            entry,
        });
    }
    let node = started(contents.clone());
    assert_eq!(node.state(|state| state.entries.clone()), Some(vec![3, 4]));
    assert_eq!(node.disk(Contents::clone), Some(contents));
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_where_and_why() {
    let mut contents = Contents::default();
    let (key, value) = ("count", r#""seven""#);
    contents.apply(&Write::Put { key, value });
    let mut node = started(contents);
    let output = node.take_output();
    let answer = output.messages().next().unwrap();
    let text = String::from_utf8_lossy(answer.line);
    assert!(
        text.contains("what the disk has under `count` is no `u64`: invalid type"),
        "{text}"
    );
}

#[test]
fn a_node_without_a_disk_keeps_nothing_and_says_so() {
    let mut node = Node::<Journal>::new(0).unwrap();
    node.handle(Duration::ZERO, &line(INIT));
    assert!(node.lacks_disk());
    assert_eq!(actions(&node.take_output()), ["error"]);
    assert!(node.take_log()[0].text.contains("no disk"));

    // Memory is one, if it is chosen.
    let mut node = Node::<Journal>::new(0).unwrap();
    node.use_memory_for_disk();
    node.handle(Duration::ZERO, &line(INIT));
    node.handle(
        Duration::ZERO,
        &line(r#"{"type":"add","msg_id":2,"value":7}"#),
    );
    assert!(!node.lacks_disk());
    assert_eq!(
        actions(&node.take_output()),
        ["init_ok", "early", "hint", "add_ok"]
    );
    assert_eq!(node.disk(|it| it.range("journal")), Some(0..1));
}

#[test]
fn contents_count_their_bytes_and_keep_numbers() {
    let mut contents = Contents::default();
    let mut apply = |write: Write<'_>| {
        contents.apply(&write);
        contents.size()
    };
    assert_eq!(
        apply(Write::Put {
            key: "ab",
            value: "123"
        }),
        5
    );
    assert_eq!(
        apply(Write::Put {
            key: "ab",
            value: "1"
        }),
        3
    );
    for number in 1..=4 {
        let entry = "1234";
        assert_eq!(apply(Write::Append { log: "l", entry }), 3 + 4 * number);
    }
    assert_eq!(
        apply(Write::Cut {
            log: "l",
            keep: 1..3
        }),
        11
    );
    assert_eq!(apply(Write::Remove { key: "ab" }), 8);
    assert_eq!(apply(Write::Remove { key: "ab" }), 8);
    assert_eq!(contents.range("l"), 1..3);
    assert_eq!(
        contents.entries("l", 0..2).collect::<Vec<_>>(),
        [(1, "1234")]
    );
    assert_eq!(contents.entries("l", 5..9).count(), 0);
    contents.apply(&Write::Cut {
        log: "l",
        keep: 9..u64::MAX,
    });
    assert_eq!((contents.range("l"), contents.size()), (9..9, 0));

    let mut copy = Contents::default();
    contents.writes().for_each(|write| copy.apply(&write));
    assert_eq!(copy, contents);
}

// In the simulator.

fn cluster(seed: u64) -> Cluster<Journal> {
    let latency = Latency::exponential(ms(5));
    let cluster = Cluster::new(2).seed(seed).disk_latency(latency);
    cluster.latency(Latency::uniform(ms(2))).start()
}

/// What was acknowledged, and what the node has, after it was killed at some moment under load.
fn killed(seed: u64, health: Health) -> (u64, Vec<u64>, u64) {
    let mut cluster = cluster(seed);
    cluster.set_disk_health("n0", health);
    let adds: Vec<_> = (0..40)
        .map(|value| {
            cluster.run_for(ms(seed % 7));
            cluster.invoke("n0", Add { value })
        })
        .collect();
    cluster.run_for(ms(seed % 11));
    cluster.crash("n0");
    let results = adds.into_iter().filter_map(|add| cluster.result(add));
    let acknowledged = results.map(|result| result.unwrap()).max().unwrap_or(0);
    cluster.restart("n0");
    let count = cluster.state("n0", |state| state.count);
    (acknowledged, cluster.call("n0", Read {}).unwrap(), count)
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_moment() {
    let (mut lost, mut more) = (0, 0);
    for seed in 0..3_000 {
        let (acknowledged, entries, count) = killed(seed, Health::Well);
        assert!(entries.len() as u64 >= acknowledged, "seed {seed}");
        assert!(
            entries.iter().copied().eq(0..count),
            "seed {seed}: all of a turn, in order"
        );
        lost += usize::from(entries.len() < 40);
        more += usize::from(entries.len() as u64 > acknowledged);
    }
    assert!(
        lost > 1_000 && more > 500,
        "{lost} lost something, {more} kept more"
    );
}

#[test]
fn a_disk_that_lies_loses_what_was_acknowledged() {
    let lost = (0..100).filter(|seed| {
        let (acknowledged, entries, count) = killed(*seed, Health::Lying);
        assert!(entries.iter().copied().eq(0..count), "seed {seed}");
        (entries.len() as u64) < acknowledged
    });
    assert!(lost.count() > 50);
}

#[test]
fn every_answer_waits_for_a_slow_disk_whoever_asks() {
    let mut cluster = Cluster::<Journal>::new(1).start();
    cluster.set_disk_latency("n0", Latency::constant(ms(300)));
    assert_eq!(cluster.call("n0", Read {}), Ok(vec![]));
    assert_eq!(cluster.now(), ms(0), "what wrote nothing waits for nothing");
    let first = cluster.invoke("n0", Add { value: 7 });
    let read = cluster.invoke("n0", Read {});
    cluster.run_for(ms(100));
    // These come while a sync is under way, and share the next.
    let others: Vec<_> = (0..50)
        .map(|value| cluster.invoke("n0", Add { value }))
        .collect();
    cluster.run_for(ms(199));
    assert_eq!((cluster.result(first), cluster.result(read)), (None, None));
    cluster.run_for(ms(1));
    assert_eq!(cluster.result(first), Some(Ok(1)));
    assert_eq!(cluster.result(read), Some(Ok(vec![7])));
    cluster.run_for(ms(299));
    assert!(others.iter().all(|add| cluster.result(*add).is_none()));
    assert!(cluster.run_until_quiet(secs(1)));
    assert!(
        others
            .iter()
            .all(|add| cluster.result(*add).unwrap().is_ok())
    );
    assert_eq!(cluster.now(), ms(600));
}

#[test]
fn a_node_whose_disk_fails_stops_with_words_and_says_nothing_more() {
    let mut cluster = Cluster::<Journal>::new(2).start();
    assert_eq!(cluster.call("n0", Add { value: 1 }), Ok(1));
    cluster.set_disk_health("n0", Health::Failing);
    assert_eq!(cluster.call("n0", Read {}), Ok(vec![1]));
    let before = cluster.traffic().by_type["hint"].messages;
    assert_eq!(cluster.call("n0", Add { value: 2 }).unwrap_err().code(), 0);
    assert_eq!(cluster.call("n0", Read {}).unwrap_err().code(), 0);
    assert_eq!(cluster.traffic().by_type["hint"].messages, before);
    let (_, node, record) = cluster.log().last().unwrap();
    assert_eq!(node, "n0");
    assert!(
        record.text.contains("the disk has failed; the node stops"),
        "{record}"
    );

    cluster.set_disk_health("n0", Health::Well);
    cluster.restart("n0");
    let entries = cluster.call("n0", Read {}).unwrap();
    assert!(entries == [1] || entries == [1, 2], "{entries:?}");
}

#[test]
fn a_disk_that_was_wiped_has_nothing() {
    let mut cluster = cluster(1);
    cluster.call("n0", Add { value: 7 }).unwrap();
    cluster.crash("n0");
    assert_eq!(cluster.disk("n0").value("count"), Some("1"));
    cluster.wipe("n0");
    assert!(cluster.disk("n0").is_empty());
    cluster.restart("n0");
    assert_eq!(cluster.call("n0", Read {}), Ok(vec![]));
}

#[test]
fn a_paused_node_tells_what_became_durable_when_it_goes_on() {
    let mut cluster = Cluster::<Journal>::new(1).start();
    cluster.set_disk_latency("n0", Latency::constant(ms(100)));
    let add = cluster.invoke("n0", Add { value: 7 });
    cluster.run_for(ms(50));
    cluster.pause("n0");
    cluster.run_for(secs(1));
    assert_eq!(cluster.result(add), None);
    cluster.resume("n0");
    assert_eq!(cluster.wait(add), Ok(1));
    assert_eq!(cluster.now(), ms(1050));
}
