//! Transactions over lists on one node, which handles one message at a time. Several nodes
//! have to agree on an order.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;
use serde_json::{Value, json};

/// `["r", key, null]` or `["append", key, element]`; a read is answered with the list.
type Operation = (String, u64, Value);

#[derive(Default)]
struct State {
    lists: BTreeMap<u64, Vec<Value>>,
}

#[handler("txn", reply = "txn")]
fn txn(state: &mut State, mut txn: Vec<Operation>) -> Result<Vec<Operation>, Error> {
    let mut lists = state.lists.clone();
    for (kind, key, value) in &mut txn {
        match kind.as_str() {
            "r" => *value = json!(lists.get(key)),
            "append" => lists.entry(*key).or_default().push(value.clone()),
            _ => return Err(Error::malformed_request(format!("what is {kind}?"))),
        }
    }
    state.lists = lists;
    Ok(txn)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Pause;
    use glomer_workbench::workload::TxnListAppend;

    #[test]
    fn holds_under_faults() {
        Test::new(TxnListAppend::default())
            .nodes(1)
            .concurrency(2)
            .rate(20.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Pause)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
