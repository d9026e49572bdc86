//! `lin-tso` over a log: a timestamp is the place that an empty record gets in it.
//!
//! The log gives each place once, and a later append a later place. So a timestamp is greater
//! than every one that was told before it was asked for. An append whose outcome nobody knows
//! may have got a place: it is made again, and that timestamp is never told.

use super::log::{Appended, Log, Record};
use super::pace::Pace;
use super::unavailable;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct Timestamps<L> {
    log: L,
    timeout: Duration,
}

impl<L: Log> Timestamps<L> {
    pub(super) fn new(log: L, timeout: Duration) -> Timestamps<L> {
        Timestamps { log, timeout }
    }

    /// The body of the reply to a `ts` request, without its `in_reply_to`.
    pub(super) async fn next(&self) -> String {
        let mut pace = Pace::until(Instant::now() + self.timeout);
        loop {
            let why = match self.log.append("ts", None, &Record::absent()).await {
                // Places count from 1, timestamps from 0.
                Appended::At(place) => {
                    return json!({"type": "ts_ok", "ts": place - 1}).to_string();
                }
                Appended::Unknown(why) | Appended::Refused(why) => why,
                Appended::Conflict => "another append is under way".to_owned(),
            };
            if !pace.wait().await {
                return unavailable(&why);
            }
        }
    }
}
