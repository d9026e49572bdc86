//! lin-kv.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::{Test, workload};

use super::why;

/// Tells the others what it was told, and answers before they know.
#[derive(Default)]
struct Hasty {
    values: BTreeMap<u64, u64>,
}

impl Hasty {
    fn set(&mut self, cx: &Context, key: u64, value: u64) {
        self.values.insert(key, value);
        for peer in cx.peers() {
            cx.send(peer, Copy { key, value });
        }
    }
}

#[handler("read", reply = "value")]
fn read(node: &Hasty, key: u64) -> Result<u64, Error> {
    let value = node.values.get(&key).copied();
    value.ok_or_else(|| Error::key_does_not_exist("nobody wrote it"))
}

#[handler("write")]
fn write(node: &mut Hasty, cx: &Context, key: u64, value: u64) {
    node.set(cx, key, value);
}

#[handler("cas")]
fn cas(node: &mut Hasty, cx: &Context, key: u64, from: u64, to: u64) -> Result<(), Error> {
    match node.values.get(&key) {
        None => return Err(Error::key_does_not_exist("nobody wrote it")),
        Some(value) if *value != from => return Err(Error::precondition_failed("it is not so")),
        Some(_) => node.set(cx, key, to),
    }
    Ok(())
}

#[handler("copy")]
fn copy(node: &mut Hasty, key: u64, value: u64) {
    node.values.insert(key, value);
}

#[test]
fn what_squeezes_an_operation_is_told() {
    let test = Test::new(workload::LinKv::default())
        .nodes(2)
        .rate(10.0)
        .latency(Latency::constant(ms(300)))
        .time_limit(secs(5));
    assert_eq!(why::<Hasty>(test), "\
Why: read 4 from key 0 fits no order.
  It ended at 2.968 s by n1 (operation 60), though write 2 to key 0 had ended at 2.910 s by n0 (operation 56) and nothing since makes it possible.
  The last that did was write 4 to key 0 at 2.399 s by n0 (operation 48).
  Every order of what came before leaves 2.");
}
