use super::*;
use glomer_workbench::checker::Availability;
use glomer_workbench::workload::GSet;

#[path = "faults.rs"]
mod faults;
use faults::{network, storm};

#[test]
fn every_acknowledged_element_gets_everywhere() {
    storm(GSet::default(), network())
        .nodes(5)
        .availability(Availability::Total)
        .run::<State>()
        .assert_valid();
}
