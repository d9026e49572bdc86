//! The ticket machine under faults, in virtual time.

mod workload;

use std::time::Duration;

use glomer_workbench::Test;
use glomer_workbench::run::nemesis::{Partition, Pause};
use workload::Tickets;

use CRATE::Machine;

#[test]
fn no_ticket_is_drawn_twice() {
    Test::new(Tickets)
        .nodes(3)
        .rate(50.0)
        .time_limit(Duration::from_secs(20))
        .nemesis((Partition, Pause))
        .nemesis_interval(Duration::from_secs(3))
        .seeds(0..20)
        .run::<Machine>()
        .assert_valid();
}
