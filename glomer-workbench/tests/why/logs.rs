//! kafka.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use glomer_runtime::sim::secs;
use glomer_workbench::{Test, workload};
use serde_json::Value;

use super::why_with;

/// Keeps logs of its own.
struct Logs {
    flaw: Flaw,
    logs: BTreeMap<String, Vec<Value>>,
    polls: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// That each node has its own, and no other.
    Alone,
    /// Some messages are acknowledged and not kept.
    Forgets,
    /// Some polls begin later than they should.
    Skips,
    /// Some polls begin at the beginning.
    Repeats,
    /// Some messages are kept twice.
    Doubles,
    /// Some sends are refused and kept.
    Refuses,
}

impl Logs {
    fn with(flaw: Flaw) -> Logs {
        Logs {
            flaw,
            logs: BTreeMap::new(),
            polls: 0,
        }
    }
}

#[handler("send", reply = "offset")]
fn send(node: &mut Logs, key: String, msg: Value) -> Result<usize, Error> {
    let log = node.logs.entry(key).or_default();
    log.push(msg.clone());
    let offset = log.len() - 1;
    if log.len() % 7 == 6 {
        match node.flaw {
            Flaw::Forgets => log[offset] = Value::Null,
            Flaw::Doubles => log.push(msg),
            Flaw::Refuses => return Err(Error::temporarily_unavailable("later")),
            Flaw::Alone | Flaw::Skips | Flaw::Repeats => {}
        }
    }
    Ok(offset)
}

#[handler("poll", reply = "msgs")]
fn poll(
    node: &mut Logs,
    offsets: BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<(usize, Value)>> {
    node.polls += 1;
    let (polls, flaw) = (node.polls, node.flaw);
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        let Some(log) = node.logs.get(&key) else {
            continue;
        };
        let from = match flaw {
            Flaw::Skips if polls % 4 == 3 => from + 1,
            Flaw::Repeats if polls % 9 == 8 => 0,
            _ => from,
        };
        let found = log.iter().cloned().enumerate().skip(from);
        let found = found.filter(|(_, msg)| !msg.is_null());
        msgs.insert(key, found.collect());
    }
    msgs
}

#[handler("commit_offsets")]
fn commit_offsets(_: &Logs, offsets: BTreeMap<String, u64>) {}

#[handler("list_committed_offsets", reply = "offsets")]
fn list_committed_offsets(_: &Logs, keys: Vec<String>) -> BTreeMap<String, u64> {
    BTreeMap::new()
}

fn kafka(nodes: usize) -> Test {
    let test = Test::new(workload::Kafka::default());
    test.nodes(nodes).rate(20.0).time_limit(secs(5)).seeds(3..4)
}

#[test]
fn nodes_that_disagree_are_told() {
    let why = why_with(kafka(2), |_| Logs::with(Flaw::Alone));
    assert_eq!(
        why,
        "\
Why: offset 0 of key \"10\" has several messages (inconsistent-offsets).
  n0 acknowledged message 1 at offset 0 at 4.507 s (operation 176).
  n1 acknowledged message 2 at offset 0 at 4.575 s (operation 178). So with 19 other cases."
    );
}

#[test]
fn a_message_that_is_lost_is_told() {
    let why = why_with(kafka(1), |_| Logs::with(Flaw::Forgets));
    assert_eq!(
        why,
        "\
Why: message 6 of key \"7\" is lost (lost-write).
  n0 acknowledged it with offset 5 at 3.767 s (operation 146).
  n0 polled message 9 at offset 8, which is behind it, at 15.001 s (operation 196).
  No poll ever returned it. So with 3 other cases.
Also: polls of key \"9\" passed messages over (int-poll-skip).
  n0 polled message 12 at offset 11 and then message 14 at offset 13 at 15.001 s (operation 196).
  Between them are 13. So with 4 other cases.
One more reason is in the results, under :why."
    );
}

#[test]
fn messages_that_are_passed_over_are_told() {
    let why = why_with(kafka(1), |_| Logs::with(Flaw::Skips));
    assert_eq!(
        why,
        "\
Why: message 1 of key \"10\" is lost (lost-write).
  n0 acknowledged it with offset 0 at 4.509 s (operation 176).
  n0 polled message 3 at offset 2, which is behind it, at 15.001 s (operation 196).
  No poll ever returned it. So with 3 other cases.
One more reason is in the results, under :why."
    );
}

#[test]
fn polls_that_go_back_are_told() {
    let why = why_with(kafka(1), |_| Logs::with(Flaw::Repeats));
    assert_eq!(
        why,
        "\
Why: polls of key \"9\" went back (nonmonotonic-poll).
  n0 polled message 11 at offset 10 at 1.963 s (operation 76).
  n0 next polled message 1 at offset 0 at 1.999 s (operation 78)."
    );
}

#[test]
fn a_message_that_is_there_twice_is_told() {
    let why = why_with(kafka(1), |_| Logs::with(Flaw::Doubles));
    assert_eq!(why, "\
Why: message 6 of key \"7\" is at several offsets (duplicate).
  n0 acknowledged message 6 at offset 5 at 3.767 s (operation 146).
  n0 returned message 6 at offset 6 at 15.001 s (operation 196). So with 3 other cases.
Also: polls of key \"9\" went back (int-nonmonotonic-poll).
  n0 polled message 6 at offset 5 and then message 6 at offset 6 at 1.963 s (operation 76). So with 5 other cases.
Also: polls of key \"9\" passed messages over (int-poll-skip).
  n0 polled message 11 at offset 11 and then message 12 at offset 12 at 15.001 s (operation 196).
  Between them are 12. So with 4 other cases.");
}

#[test]
fn a_message_whose_send_failed_is_told() {
    let why = why_with(kafka(1), |_| Logs::with(Flaw::Refuses));
    assert_eq!(
        why,
        "\
Why: message 6 of key \"9\" was polled, though its send failed (G1a).
  n0 refused it at 0.967 s (operation 36).
  n0 polled it at 1.963 s (operation 76). So with 5 other cases."
    );
}
