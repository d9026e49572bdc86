use super::*;
use glomer_workbench::workload::Kafka;

#[path = "faults.rs"]
mod faults;
use faults::{network, storm};

#[test]
fn logs_keep_every_message_in_its_place() {
    storm(Kafka::default(), network())
        .nodes(1)
        .concurrency(4)
        .run::<State>()
        .assert_valid();
}
