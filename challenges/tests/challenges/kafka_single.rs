use super::*;
use glomer_runtime::sim::Program;
use glomer_workbench::Test;
use glomer_workbench::run::nemesis::Kill;
use glomer_workbench::workload::Kafka;

#[path = "faults.rs"]
mod faults;
use faults::{forgets, network, storm};

#[test]
fn logs_keep_every_message_in_its_place() {
    storm(Kafka::default(), network())
        .nodes(1)
        .concurrency(4)
        .run::<State>()
        .assert_valid();
}

fn killed() -> Test {
    storm(Kafka::default(), Kill.into())
        .nodes(1)
        .concurrency(4)
        .tolerate_unknown()
}

#[test]
fn logs_keep_every_message_when_the_node_is_killed() {
    killed().run::<State>().assert_valid();
}

#[test]
fn without_a_disk_they_do_not() {
    forgets(killed().run_programs(|_| Program::of::<State>().in_memory()));
}
