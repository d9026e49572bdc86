use super::*;

#[path = "faults.rs"]
mod faults;
#[path = "kafka_logs.rs"]
mod kafka_logs;

#[test]
fn logs_keep_every_message_in_its_place() {
    kafka_logs::check_logs::<State>(1, &[], kafka_logs::Commits::AtOnce);
}
