//! How long things take, and how long one waits.

use std::collections::VecDeque;
use std::time::Duration;

/// By how much gathering may stretch a round trip: a hub that is busy gathers
/// values for this part of a round trip before it passes them on.
///
/// Larger is cheaper and slower. A busy cluster of `n` nodes with the one-way
/// latency `d` and `rate` new values a second sends about
/// `rate + (n - 1) / (2·d·STRETCH + 1/rate)` messages a second, and a value is
/// everywhere after at most `2·d·(1 + STRETCH)`.
pub const STRETCH: f64 = 0.73;

/// How long a node keeps to itself what it has got, hoping that other traffic
/// will carry the report (compare the delayed acknowledgements of RFC 9002):
/// until nothing more has come for a while, or that long at most.
pub(super) const REPORT_WHEN_QUIET: Duration = Duration::from_secs(1);
pub(super) const REPORT_DELAY: Duration = Duration::from_secs(2);

/// Within what time a node that has just started reports to its parent.
pub(super) const HELLO_DELAY: Duration = Duration::from_secs(2);

/// How long a parent may be silent before a node that is not at rest asks it
/// for a sign of life; doubled with each time that it was asked in vain for
/// more than that.
pub(super) const POLL: Duration = Duration::from_secs(3);

/// How often [`POLL`] is doubled at most.
pub(super) const POLL_DOUBLINGS: u32 = 3;

/// How long what came from others may be in memory only. Whoever inserted it has kept it, so it
/// is kept here not to be asked for again, and nothing need wait for that.
pub(super) const KEEP_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two questions to a node that does not answer.
pub(super) const PROBE: Duration = Duration::from_secs(1);

/// How many questions in a row a node may leave unanswered before it counts
/// as out of reach.
pub(super) const PATIENCE: u32 = 2;

/// How often a node asks for what it misses of a stream before it gives up.
pub(super) const GAP_QUESTIONS: u32 = 4;

/// The round trip as long as nothing is known about it: for gathering, and
/// for waiting (RFC 6298, section 2.1).
pub(super) const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(200);
pub(super) const UNKNOWN_JITTER: Duration = Duration::from_millis(200);
pub(super) const UNKNOWN_PATIENCE: Duration = Duration::from_secs(1);

/// How long a value that was handed over may take at most to come back before
/// it is handed over again. If that is too soon it costs a message.
pub(super) const OVERDUE: Duration = Duration::from_secs(2);

/// What a wait allows for beyond the round trip at least.
const SLACK: Duration = Duration::from_millis(200);

/// How often a round trip to a neighbour is measured at most.
pub(super) const MEASURE: Duration = Duration::from_secs(1);

/// A time that something takes, smoothed, with its mean deviation: the
/// estimator of RFC 6298, section 2.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothed {
    estimate: Option<(Duration, Duration)>,
    /// How often it took too long since the last sample.
    late: u32,
}

/// How often the patience is doubled at most.
const DOUBLINGS: u32 = 3;

impl Smoothed {
    /// Takes a sample. One that is far beyond what is expected tells of a
    /// node that stood still, and counts only as twice the patience.
    pub(super) fn sample(&mut self, sample: Duration) {
        self.late = 0;
        let most = self
            .patience()
            .map_or(Duration::MAX, |patience| 2 * patience);
        let sample = sample.min(most);
        self.estimate = Some(match self.estimate {
            None => (sample, sample / 2),
            Some((mean, deviation)) => (
                (mean * 7 + sample) / 8,
                (deviation * 3 + mean.abs_diff(sample)) / 4,
            ),
        });
    }

    /// How much later than usual it may be without anything being wrong.
    pub(super) fn jitter(&self) -> Option<Duration> {
        self.estimate.map(|(_, deviation)| deviation * 4)
    }

    /// After what time it is taking too long.
    pub(super) fn patience(&self) -> Option<Duration> {
        let (mean, deviation) = self.estimate?;
        Some((mean + (deviation * 4).max(SLACK)) * (1 << self.late))
    }

    /// It took too long: perhaps that is how long it takes now.
    pub(super) fn is_late(&mut self) {
        self.late = (self.late + 1).min(DOUBLINGS);
    }

    /// It came, though nobody knows how long it took.
    pub(super) fn came(&mut self) {
        self.late = 0;
    }
}

/// How many samples a [`Typical`] time is taken of.
const SAMPLES: usize = 15;

/// What a third of the last samples of a time do not exceed: unlike the mean
/// and the median it hardly minds that processes start, and that busy machines
/// are late.
#[derive(Clone, Debug, Default)]
pub(super) struct Typical {
    samples: VecDeque<Duration>,
    typical: Option<Duration>,
}

impl Typical {
    pub(super) fn sample(&mut self, sample: Duration) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        let mut sorted: Vec<_> = self.samples.iter().collect();
        sorted.sort_unstable();
        self.typical = Some(*sorted[(sorted.len() - 1) / 3]);
    }

    pub(super) fn get(&self) -> Option<Duration> {
        self.typical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooths_as_rfc_6298_says() {
        let ms = Duration::from_millis;
        let mut time = Smoothed::default();
        assert_eq!(time.patience(), None);
        time.sample(ms(800));
        assert_eq!(time.patience(), Some(ms(800 + 4 * 400)));
        time.sample(ms(1600));
        assert_eq!(time.patience(), Some(ms(900 + 4 * 500)));
        time.is_late();
        assert_eq!(time.patience(), Some(ms(2 * (900 + 4 * 500))));
        time.came();
        assert_eq!(time.patience(), Some(ms(900 + 4 * 500)));
        for _ in 0..100 {
            time.sample(ms(100));
        }
        let patience = time.patience().unwrap();
        assert!(patience.abs_diff(ms(100) + SLACK) < ms(1), "{patience:?}");
        time.sample(ms(3_600_000));
        assert!(time.patience().unwrap() < ms(1000), "after a pause");
    }

    #[test]
    fn the_typical_time_does_not_mind_exceptions() {
        let ms = Duration::from_millis;
        let mut time = Typical::default();
        assert_eq!(time.get(), None);
        for sample in 1..=100 {
            time.sample(ms(if sample % 2 == 0 { 900 } else { 100 }));
            assert_eq!(time.get(), Some(ms(100)), "after {sample}");
        }
        for _ in 0..12 {
            time.sample(ms(300));
        }
        assert_eq!(time.get(), Some(ms(300)), "it follows");

        let mut time = Typical::default();
        time.sample(ms(180));
        time.sample(ms(1));
        assert_eq!(time.get(), Some(ms(1)), "the first one took a start along");
    }
}
