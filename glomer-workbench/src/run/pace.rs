//! When the next operation is due.

use std::time::Duration;

use glomer_runtime::Rng;

/// A staggered schedule, as Jepsen's `stagger` makes it: the time between two operations is
/// anything from zero to twice the interval, equally likely. An operation that had to wait
/// moves all later ones; nothing is made up for.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Duration,
    rng: Rng,
}

impl Pace {
    /// A schedule whose first operation is due at `start`.
    pub fn new(interval: Duration, start: Duration, rng: Rng) -> Pace {
        Pace {
            interval,
            next: start,
            rng,
        }
    }

    /// When the next operation is due.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Notes that the operation took place, at this time, and sets the time of the next.
    pub fn took_place(&mut self, at: Duration) {
        self.next = at + self.interval.mul_f64(2.0 * self.rng.unit());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_rate_on_average_and_scatters_around_it() {
        let mut pace = Pace::new(Duration::from_millis(100), Duration::ZERO, Rng::seeded(1));
        let mut gaps = Vec::new();
        for _ in 0..10_000 {
            let at = pace.next();
            pace.took_place(at);
            gaps.push(pace.next() - at);
        }
        let mean = pace.next() / 10_000;
        assert!((97..=103).contains(&mean.as_millis()), "{mean:?}");
        assert!(gaps.iter().all(|gap| *gap < Duration::from_millis(200)));
        assert!(gaps.iter().any(|gap| *gap < Duration::from_millis(10)));
        assert!(gaps.iter().any(|gap| *gap > Duration::from_millis(190)));
    }

    #[test]
    fn does_not_catch_up() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second, Duration::ZERO, Rng::seeded(2));
        pace.took_place(60 * second);
        assert!(pace.next() >= 60 * second);
    }
}
