//! What breaks the links of a node, and for how long.

use std::fmt;
use std::time::Duration;

use glomer_runtime::Rng;

use crate::control::{Drop, Faults};

/// The longest that a fault lasts unless it is asked for again.
const LONGEST: Duration = Duration::from_secs(3600);

/// When a fault that lasts so long ends.
pub(super) fn end(now: Duration, for_ms: u64) -> Duration {
    now + Duration::from_millis(for_ms).min(LONGEST)
}

/// The faults of a node's links.
#[derive(Debug)]
pub(super) struct Links {
    faults: Faults,
    until: Option<Duration>,
    rng: Rng,
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults {
            cut,
            loss,
            duplicate,
            latency,
            for_ms,
        } = &self.faults;
        if self.until.is_none() {
            return f.write_str("whole");
        }
        write!(f, "broken for {for_ms} ms")?;
        if !cut.is_empty() {
            let names: Vec<&str> = cut.iter().map(String::as_str).collect();
            write!(f, ", cut off from {}", names.join(", "))?;
        }
        write!(
            f,
            ", loss {loss}, duplicates {duplicate}, latency {latency}"
        )
    }
}

/// What becomes of a message.
pub(super) enum Fate {
    Lost(Drop),
    /// It arrives after each of these times.
    Arrives(Duration, Option<Duration>),
}

impl Links {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            faults: Faults::default(),
            until: None,
            rng: Rng::seeded(seed),
        }
    }

    /// Breaks links in this way; true if that is another way than before.
    pub(super) fn set(&mut self, now: Duration, faults: Faults) -> bool {
        let for_ms = faults.for_ms;
        let before = Faults {
            for_ms,
            ..std::mem::take(&mut self.faults)
        };
        let whole = Faults {
            for_ms,
            ..Faults::default()
        };
        self.until = (faults != whole).then(|| end(now, for_ms));
        self.faults = faults;
        self.faults != before
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.until
    }

    /// Ends what is over; true if something was.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
            self.faults = Faults::default();
        }
        over
    }

    /// What becomes of a message from `src`, which is a client or not.
    pub(super) fn fate(&mut self, src: &str, is_client: bool) -> Fate {
        let Self { faults, rng, .. } = self;
        if self.until.is_none() {
            return Fate::Arrives(Duration::ZERO, None);
        }
        if faults.cut.contains(src) {
            return Fate::Lost(Drop::Cut);
        }
        if is_client {
            return Fate::Arrives(Duration::ZERO, None);
        }
        if rng.chance(faults.loss) {
            return Fate::Lost(Drop::Loss);
        }
        let is_twice = rng.chance(faults.duplicate);
        let mut takes = || faults.latency.sample(rng);
        Fate::Arrives(takes(), is_twice.then(takes))
    }
}
