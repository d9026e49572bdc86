//! For each workload, a node that is wrong, and why its run is not valid, word for word.

mod answers;
mod counters;
mod sets;
mod transactions;

use glomer_workbench::Test;
use glomer_workbench::verdict::Validity;

/// Why the first run of nodes with the state `S` that is invalid is.
fn why<S: Default + 'static>(test: Test) -> String {
    let tests = test.run::<S>();
    let tested = tests.refused().expect("the node is wrong");
    assert_eq!(tested.validity(), Validity::False, "{tested}");
    tested.results.why.brief()
}
