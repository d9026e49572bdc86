//! txn-list-append and txn-rw-register.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::{Test, workload};
use serde_json::{Value, json};

use super::why;

/// Keeps the lists that its own clients appended to, and hears of those of others when it is
/// late.
#[derive(Default)]
struct Lists {
    lists: BTreeMap<u64, Vec<u64>>,
}

#[handler("txn", reply = "txn")]
fn txn(node: &mut Lists, cx: &Context, txn: Vec<(String, u64, Value)>) -> Vec<Value> {
    let mut appended = Vec::new();
    let done = txn.into_iter().map(|(f, key, value)| {
        let list = node.lists.entry(key).or_default();
        match value.as_u64() {
            Some(element) if f == "append" => {
                list.push(element);
                appended.push((key, element));
                json!([f, key, element])
            }
            _ => json!([f, key, list]),
        }
    });
    let done = done.collect();
    for peer in cx.peers() {
        cx.send(
            peer,
            Appended {
                appended: appended.clone(),
            },
        );
    }
    done
}

#[handler("appended")]
fn appended(node: &mut Lists, appended: Vec<(u64, u64)>) {
    for (key, element) in appended {
        node.lists.entry(key).or_default().push(element);
    }
}

#[test]
fn lists_that_nodes_have_in_different_orders_are_told() {
    let test = Test::new(workload::TxnListAppend::default())
        .nodes(2)
        .rate(20.0)
        .latency(Latency::constant(ms(100)))
        .time_limit(secs(3));
    assert_eq!(
        why::<Lists>(test),
        "\
Why: incompatible-order: reads of one key disagree about the order of its elements.
  n0 read key 8 as [1 2 3 4 5 6 7 8] at 1.829 s (operation 72).
  n1 read key 8 as [1 2 4 3 5 6 7 8 9] at 1.896 s (operation 74).
  Neither is the beginning of the other. So with 3 other cases.
3 more reasons are in the results, under :why."
    );
}

/// Writes first and looks later whether it may.
#[derive(Default)]
struct Dirty {
    registers: BTreeMap<u64, u64>,
}

#[handler("txn", reply = "txn", message = RegisterTxn)]
fn registers(node: &mut Dirty, txn: Vec<(String, u64, Option<u64>)>) -> Result<Vec<Value>, Error> {
    let refused = txn.len() > 3;
    let mut done = Vec::new();
    for (f, key, value) in txn {
        match value {
            Some(value) => {
                node.registers.insert(key, value);
                done.push(json!([f, key, value]));
            }
            None => done.push(json!([f, key, node.registers.get(&key)])),
        }
    }
    if refused {
        return Err(Error::txn_conflict("too long"));
    }
    Ok(done)
}

#[test]
fn a_read_of_what_failed_is_told() {
    let test = Test::new(workload::TxnRwRegister::default())
        .nodes(1)
        .time_limit(secs(5));
    assert_eq!(
        why::<Dirty>(test),
        "\
Why: G1a: a read saw the write of a transaction that failed (aborted read).
  T1 is the transaction of n0 from 4.033 s to 4.035 s (operation 44): w 9 12, r 9 12, r 8 5.
  T2 is the transaction of n0 from 2.912 s to 2.912 s (operation 34, failed): r 9 nil, w 7 3, w 8 5, r 9 nil.
  T1 read 8 = 5, written by T2, which failed (aborted read). So with another case."
    );
}

#[test]
fn transactions_in_a_circle_are_told() {
    let test = Test::new(workload::TxnRwRegister::default())
        .nodes(2)
        .rate(20.0)
        .time_limit(secs(5));
    assert_eq!(why::<Alone>(test), "\
Why: G-single-item-realtime: transactions form a circle through one read of what was since overwritten (read skew), given that one ended before another began.
  T1 is the transaction of n1 from 0.027 s to 0.027 s (operation 2): r 8 nil, r 9 nil.
  T2 is the transaction of n0 from 0.000 s to 0.001 s (operation 0): r 4 nil, w 8 1.
  T1 came before T2: T1 read key 8 = nil, and T2 set it to 1, which came later in the version order.
  But T2 came before T1: T2 ended at 0.001 s, and T1 began at 0.027 s. So with 3 other cases.");
}

/// Has registers of its own.
#[derive(Default)]
struct Alone {
    registers: BTreeMap<u64, u64>,
}

#[handler("txn", reply = "txn", message = OwnTxn)]
fn own(node: &mut Alone, txn: Vec<(String, u64, Option<u64>)>) -> Vec<Value> {
    let done = txn.into_iter().map(|(f, key, value)| match value {
        Some(value) => {
            node.registers.insert(key, value);
            json!([f, key, value])
        }
        None => json!([f, key, node.registers.get(&key)]),
    });
    done.collect()
}
