//! Clients that wait for an answer.

use std::collections::HashMap;
use std::time::Duration;

/// How many clients are known at most, and a second time as many of those before them.
const MOST: usize = 32 * 1024;

/// How long a client is known at least, unless there are too many.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients by their reply subjects. Who is not known any more can be answered nevertheless, but
/// is not told when the node dies.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    young: HashMap<String, Asked>,
    old: HashMap<String, Asked>,
    turned: Duration,
}

/// What a client asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// When the node was given it.
    pub(super) at: Duration,
    /// Its `msg_id`, as it was written.
    pub(super) msg_id: Option<String>,
}

impl Waiting {
    pub(super) fn add(&mut self, now: Duration, reply: &str, msg_id: Option<&str>) {
        if self.young.len() >= MOST || now - self.turned > PATIENCE {
            self.turned = now;
            self.old = std::mem::take(&mut self.young);
        }
        let msg_id = msg_id.map(str::to_owned);
        self.young
            .insert(reply.to_owned(), Asked { at: now, msg_id });
    }

    pub(super) fn take(&mut self, reply: &str) -> Option<Asked> {
        self.young.remove(reply).or_else(|| self.old.remove(reply))
    }

    /// All of them, who wait no longer.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (String, Asked)> + use<> {
        std::mem::take(&mut self.young)
            .into_iter()
            .chain(std::mem::take(&mut self.old))
    }
}
