//! For each workload, a node that is wrong, and why its run is not valid, word for word.

mod answers;
mod counters;
mod logs;
mod registers;
mod sets;
mod transactions;

use std::time::Duration;

use glomer_runtime::Init;
use glomer_workbench::Test;
use glomer_workbench::verdict::Validity;

/// Why the first run of nodes with the state `S` that is invalid is.
fn why<S: Default + 'static>(test: Test) -> String {
    why_with(test, |_| S::default())
}

/// The same, with a state made from what `init` says.
fn why_with<S: 'static>(test: Test, make: fn(&Init) -> S) -> String {
    let tests = test.shrink(Duration::ZERO).run_with(make);
    let tested = tests.refused().expect("the node is wrong");
    assert_eq!(tested.validity(), Validity::False, "{tested}");
    tested.results.why.brief()
}
