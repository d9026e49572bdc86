//! Warnings that come as often as messages do, told now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::control::Drop;

/// How long a warning is not told again.
const PAUSE: Duration = Duration::from_secs(1);

/// When which warning was told last, and how often it was not told since.
#[derive(Debug, Default)]
pub(super) struct Throttle(BTreeMap<Drop, (Duration, u64)>);

impl Throttle {
    /// Tells a warning, unless it was told just now.
    pub(super) fn warn(&mut self, now: Duration, what: Drop, text: impl FnOnce() -> String) {
        let (next, untold) = self.0.entry(what).or_default();
        if now < *next {
            *untold += 1;
            return;
        }
        let more = match std::mem::take(untold) {
            0 => String::new(),
            untold => format!(" (and {untold} more of the kind since it was told last)"),
        };
        *next = now + PAUSE;
        tracing::warn!("{}{more}", text());
    }
}
