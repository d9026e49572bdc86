use super::*;

#[path = "faults.rs"]
mod faults;
#[path = "kafka_logs.rs"]
mod kafka_logs;

#[test]
fn logs_keep_every_message_in_its_place_whatever_happens() {
    kafka_logs::check_logs::<State>(3, faults::ALL, kafka_logs::Commits::NeverAhead);
}

#[test]
fn commits_reach_every_node_while_none_is_lost() {
    kafka_logs::check_logs::<State>(3, faults::NETWORK, kafka_logs::Commits::InTheEnd);
}
