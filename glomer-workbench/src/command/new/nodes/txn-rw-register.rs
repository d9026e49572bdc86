//! Transactions over registers on one node, which handles one message at a time. Several nodes
//! have to tell each other: those are challenges 6b and 6c.

use std::collections::BTreeMap;

use glomer_runtime::prelude::*;

/// `["r", key, null]` or `["w", key, value]`; a read is answered with its value.
type Operation = (String, u64, Option<u64>);

#[derive(Default)]
struct State {
    registers: BTreeMap<u64, u64>,
}

#[handler("txn", reply = "txn")]
fn txn(state: &mut State, mut txn: Vec<Operation>) -> Result<Vec<Operation>, Error> {
    let mut registers = state.registers.clone();
    for (kind, key, value) in &mut txn {
        match (kind.as_str(), &value) {
            ("r", _) => *value = registers.get(key).copied(),
            ("w", Some(value)) => {
                registers.insert(*key, *value);
            }
            _ => return Err(Error::malformed_request(format!("what is {kind}?"))),
        }
    }
    state.registers = registers;
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
    use glomer_workbench::workload::TxnRwRegister;

    #[test]
    fn holds_under_faults() {
        Test::new(TxnRwRegister::default())
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
