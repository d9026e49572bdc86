//! How long a message takes.

use crate::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A distribution of message latencies, drawn as Maelstrom's `--latency` and
/// `--latency-dist` draw them (its `net.clj`).
///
/// The random distributions give whole milliseconds, cut off rather than rounded, when their
/// mean is one; a finer mean is drawn in whole nanoseconds.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_runtime::sim::{Latency, ms};
///
/// let mut rng = Rng::seeded(42);
/// assert_eq!(Latency::constant(ms(100)).sample(&mut rng), ms(100));
/// assert!(Latency::uniform(ms(100)).sample(&mut rng) < ms(200));
/// assert_eq!(Latency::exponential(ms(100)).to_string(), "exponential 100ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    shape: Shape,
    mean: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Constant,
    Uniform,
    Exponential,
}

const MILLISECOND: u64 = 1_000_000;

impl Latency {
    /// Always `latency`.
    pub const fn constant(latency: Duration) -> Latency {
        Latency {
            shape: Shape::Constant,
            mean: latency,
        }
    }

    /// Anything from zero to below twice the mean, equally likely.
    pub const fn uniform(mean: Duration) -> Latency {
        Latency {
            shape: Shape::Uniform,
            mean,
        }
    }

    /// Mostly short, sometimes many times the mean: the time between independent events.
    pub const fn exponential(mean: Duration) -> Latency {
        Latency {
            shape: Shape::Exponential,
            mean,
        }
    }

    /// The mean that this distribution was made with.
    pub const fn mean(&self) -> Duration {
        self.mean
    }

    /// The same distribution, so many times as long.
    pub(super) fn times(self, factor: f64) -> Latency {
        Latency {
            mean: self.mean.mul_f64(factor),
            ..self
        }
    }

    /// Whether it draws anything.
    pub(super) fn is_random(&self) -> bool {
        self.shape != Shape::Constant
    }

    /// Draws the latency of one message.
    pub fn sample(&self, rng: &mut Rng) -> Duration {
        Duration::from_nanos(self.sample_nanos(rng, 1.0))
    }

    /// Draws a latency in nanoseconds, stretched by `factor` before it is cut off to whole
    /// milliseconds, in the order in which Maelstrom does the two.
    pub(super) fn sample_nanos(&self, rng: &mut Rng, factor: f64) -> u64 {
        let mean = nanos(self.mean);
        let unit = match mean % MILLISECOND {
            0 => MILLISECOND,
            _ => 1,
        };
        let steps = match (self.shape, mean / unit) {
            (Shape::Constant, _) if factor == 1.0 => return mean,
            (Shape::Constant, _) => return (mean as f64 * factor) as u64,
            (_, 0) => return 0,
            (Shape::Uniform, mean) => rng.below(mean.saturating_mul(2)) as f64,
            // `unit` can be 0 and never 1; the logarithm wants it the other way round.
            (Shape::Exponential, mean) => -(1.0 - rng.unit()).ln() * mean as f64,
        };
        ((steps * factor) as u64).saturating_mul(unit)
    }
}

impl Default for Latency {
    /// No latency at all, which is Maelstrom's default.
    fn default() -> Latency {
        Latency::constant(Duration::ZERO)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match self.shape {
            Shape::Constant => "constant",
            Shape::Uniform => "uniform",
            Shape::Exponential => "exponential",
        };
        write!(f, "{shape} {:?}", self.mean)
    }
}

/// A time in nanoseconds; u64 holds 584 years of them, and later ones count as that.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(latency: Latency, factor: f64) -> Vec<u64> {
        let mut rng = Rng::seeded(7);
        (0..20_000)
            .map(|_| latency.sample_nanos(&mut rng, factor))
            .collect()
    }

    fn mean_ms(samples: &[u64]) -> f64 {
        samples.iter().sum::<u64>() as f64 / samples.len() as f64 / MILLISECOND as f64
    }

    #[test]
    fn uniform_covers_zero_to_below_twice_the_mean_in_whole_milliseconds() {
        let drawn = samples(Latency::uniform(Duration::from_millis(10)), 1.0);
        let values: std::collections::BTreeSet<u64> = drawn.iter().copied().collect();
        let expected = (0..20).map(|ms| ms * MILLISECOND).collect();
        assert_eq!(values, expected);
        assert!((mean_ms(&drawn) - 9.5).abs() < 0.2);
    }

    #[test]
    fn exponential_is_cut_off_to_whole_milliseconds() {
        let drawn = samples(Latency::exponential(Duration::from_millis(100)), 1.0);
        assert!(drawn.iter().all(|n| n % MILLISECOND == 0));
        assert!((mean_ms(&drawn) - 99.5).abs() < 2.5);
        let above_mean = drawn.iter().filter(|&&n| n > 100 * MILLISECOND).count();
        let share = above_mean as f64 / drawn.len() as f64;
        assert!((share - (-1.0_f64).exp()).abs() < 0.02, "{share}");
    }

    #[test]
    fn a_mean_below_a_millisecond_is_not_cut_to_nothing() {
        let drawn = samples(Latency::uniform(Duration::from_micros(500)), 1.0);
        assert!((mean_ms(&drawn) - 0.5).abs() < 0.02);
    }

    #[test]
    fn a_factor_stretches_every_shape() {
        let mean = Duration::from_millis(10);
        assert_eq!(samples(Latency::constant(mean), 10.0)[0], 100 * MILLISECOND);
        let uniform = mean_ms(&samples(Latency::uniform(mean), 10.0));
        assert!((uniform - 95.0).abs() < 2.0, "{uniform}");
        let exponential = mean_ms(&samples(Latency::exponential(mean), 10.0));
        assert!((exponential - 99.5).abs() < 3.0, "{exponential}");
    }

    #[test]
    fn no_mean_is_no_latency() {
        let none = Duration::ZERO;
        for latency in [
            Latency::default(),
            Latency::uniform(none),
            Latency::exponential(none),
        ] {
            assert_eq!(latency.sample(&mut Rng::seeded(1)), none);
        }
    }
}
