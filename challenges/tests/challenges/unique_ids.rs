use super::*;
use glomer_workbench::checker::Availability;
use glomer_workbench::workload::UniqueIds;

#[path = "faults.rs"]
mod faults;
use faults::{all, network, storm};

#[test]
fn ids_are_unique_whatever_happens() {
    storm(UniqueIds, all())
        .tolerate_unknown()
        .run::<State>()
        .assert_valid();
}

#[test]
fn ids_are_given_out_on_a_bad_network_as_on_a_good_one() {
    storm(UniqueIds, network())
        .availability(Availability::Total)
        .judge(|tested| {
            for (asked, answered) in tested.run.history.pairs() {
                let took = answered.map(|answer| answer.time - asked.time);
                assert!(took <= Some(2_000_000), "an answer waited for something");
            }
        })
        .run::<State>()
        .assert_valid();
}
