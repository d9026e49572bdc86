use super::*;
use glomer_workbench::checker::Availability;
use glomer_workbench::workload::PnCounter;

#[path = "faults.rs"]
mod faults;
use faults::{network, storm};

#[test]
fn all_nodes_come_to_the_sum_of_what_was_acknowledged() {
    storm(PnCounter, network())
        .availability(Availability::Total)
        .run::<State>()
        .assert_valid();
}
