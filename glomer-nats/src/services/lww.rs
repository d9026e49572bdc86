//! `lww-kv` over a log: what any replica has is read, and what is written last is there last.

use super::log::{Appended, Log, Record};
use super::pace::Pace;
use super::{key_subject, perhaps, unavailable, value_too_long};
use glomer_runtime::sim::service::{Flavour, Request};
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct LastWrite<L> {
    log: L,
    timeout: Duration,
}

impl<L: Log> LastWrite<L> {
    pub(super) fn new(log: L, timeout: Duration) -> LastWrite<L> {
        LastWrite { log, timeout }
    }

    /// The body of the reply to a request, without its `in_reply_to`.
    pub(super) async fn ask(&self, request: &Request) -> String {
        let key = match key_subject(request.key()) {
            Ok(key) => key,
            Err(reply) => return reply,
        };
        let mut pace = Pace::until(Instant::now() + self.timeout);
        loop {
            let why = match self.log.load(&key).await {
                Ok(record) => {
                    let step = request.apply(record.value.as_ref(), Flavour::LastWriteWins);
                    let Some(value) = step.written else {
                        return step.reply;
                    };
                    if let Some(reply) = value_too_long(&value, self.log.max_value()) {
                        return reply;
                    }
                    let record = Record {
                        value: Some(value),
                        ..Record::absent()
                    };
                    match self.log.append(&key, None, &record).await {
                        Appended::At(_) => return step.reply,
                        Appended::Unknown(why) => return perhaps(&why),
                        Appended::Refused(why) => why,
                        Appended::Conflict => "another append is under way".to_owned(),
                    }
                }
                Err(why) => why,
            };
            if !pace.wait().await {
                return unavailable(&why);
            }
        }
    }
}
