use std::time::Duration;

/// As finely is a clock's rate told apart.
const PARTS: u128 = 1_000_000_000;

/// A node's clock, which need not go as time goes. It never goes back.
///
/// ```
/// use glomer_runtime::sim::{Clock, secs};
///
/// let mut clock = Clock::default();
/// clock.set_rate(secs(10), 2.0);
/// assert_eq!(clock.at(secs(15)), secs(20));
/// assert_eq!(clock.when(secs(20)), secs(15));
/// clock.leap(secs(15), secs(100));
/// assert_eq!(clock.at(secs(15)), secs(120));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// From then on it goes as it goes now,
    since: Duration,
    /// beginning with this,
    shown: Duration,
    /// at this rate.
    parts: u128,
}

/// A clock that shows the time.
impl Default for Clock {
    fn default() -> Clock {
        Clock {
            since: Duration::ZERO,
            shown: Duration::ZERO,
            parts: PARTS,
        }
    }
}

impl Clock {
    /// What the clock shows at `time`. Before its last change it shows what it showed then.
    pub fn at(&self, time: Duration) -> Duration {
        let passed = time.saturating_sub(self.since).as_nanos();
        let shown = passed.saturating_mul(self.parts) / PARTS;
        self.shown.saturating_add(duration(shown))
    }

    /// The first moment at which the clock shows at least `shown`, not before its last change.
    pub fn when(&self, shown: Duration) -> Duration {
        let missing = shown.saturating_sub(self.shown);
        self.since.saturating_add(self.takes(missing))
    }

    /// How long it takes, as it goes now, until the clock has gone on by so much.
    pub fn takes(&self, shown: Duration) -> Duration {
        duration(shown.as_nanos().saturating_mul(PARTS).div_ceil(self.parts))
    }

    /// From `now` on, the clock goes `rate` times as fast as time, from what it shows; 1 lets
    /// it go as time goes.
    ///
    /// # Panics
    /// When the rate is not from a thousandth to a thousand.
    #[track_caller]
    pub fn set_rate(&mut self, now: Duration, rate: f64) {
        assert!(
            (0.001..=1_000.0).contains(&rate),
            "a clock at the rate {rate} is none; give a number from 0.001 to 1000"
        );
        self.shown = self.at(now);
        self.since = now;
        self.parts = (rate * PARTS as f64).round() as u128;
    }

    /// At `now`, the clock leaps ahead by so much.
    pub fn leap(&mut self, now: Duration, ahead: Duration) {
        self.shown = self.at(now).saturating_add(ahead);
        self.since = now;
    }
}

fn duration(nanos: u128) -> Duration {
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}
