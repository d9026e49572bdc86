//! Values on their way into a stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::timing::{OVERDUE, Smoothed, UNKNOWN_PATIENCE};

/// How many times in one gathering time a node hands values to its hub at
/// once; beyond, it gathers itself.
const HAND_OVERS: u32 = 8;

/// How many times a value is handed to a hub that does not put it into a
/// stream: one that was heard since then, and one that was not, if there is
/// a shorter way than to wait for the next hub.
const ROUNDS: u32 = 4;
const ROUNDS_IN_SILENCE: u32 = 2;

/// The values that are in no stream yet, as far as this node knows, and for
/// which it answers: they were inserted here, or handed to it.
pub(super) struct Intake<T> {
    /// All of them, and when each was handed to the hub, if it was once.
    waiting: BTreeMap<T, Option<Duration>>,
    /// Those to be handed over or put into a stream next.
    queue: Vec<T>,
    /// When the first of them came.
    queued_at: Duration,
    /// Those handed over, by the time at which they are overdue.
    handed: VecDeque<Handed<T>>,
    /// How long it takes until a value comes back as part of a stream.
    turnaround: Smoothed,
    flushed_at: Option<Duration>,
    window: Duration,
    in_window: u32,
}

struct Handed<T> {
    value: T,
    at: Duration,
    round: u32,
}

/// Values that a hub did not put into a stream in time.
pub(super) struct Overdue<T> {
    pub(super) again: Vec<(T, u32)>,
    pub(super) given_up: Vec<T>,
}

impl<T: Ord + Clone> Intake<T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            queue: Vec::new(),
            queued_at: Duration::ZERO,
            handed: VecDeque::new(),
            turnaround: Smoothed::default(),
            flushed_at: None,
            window: Duration::ZERO,
            in_window: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes on a value.
    pub(super) fn push(&mut self, value: T, now: Duration) {
        if self.waiting.contains_key(&value) {
            return;
        }
        self.waiting.insert(value.clone(), None);
        self.enqueue(value, now);
    }

    /// Takes note that a value is part of a stream.
    pub(super) fn is_in_stream(&mut self, value: &T, now: Duration) {
        if let Some(Some(handed)) = self.waiting.remove(value) {
            self.turnaround.sample(now - handed);
        }
        while let Some(first) = self.handed.front()
            && !self.waiting.contains_key(&first.value)
        {
            self.handed.pop_front();
        }
    }

    /// Takes back all that was handed over, for another hub or this node.
    pub(super) fn take_back(&mut self, now: Duration) {
        for Handed { value, .. } in std::mem::take(&mut self.handed) {
            if let Some(handed) = self.waiting.get_mut(&value) {
                *handed = None;
                self.enqueue(value, now);
            }
        }
    }

    fn enqueue(&mut self, value: T, now: Duration) {
        if self.queue.is_empty() {
            self.queued_at = now;
        }
        self.queue.push(value);
    }

    // At the hub.

    /// When the hub is to pass on what it has gathered: at once after a
    /// silence, else after the gathering time.
    pub(super) fn flush_at(&self, gather: Duration) -> Option<Duration> {
        if self.queue.is_empty() {
            return None;
        }
        let quiet = |flushed| self.queued_at >= flushed + 2 * gather;
        Some(if self.flushed_at.is_none_or(quiet) {
            self.queued_at
        } else {
            self.queued_at + gather
        })
    }

    /// What was gathered, to be put into a stream now.
    pub(super) fn flush(&mut self, now: Duration) -> Vec<T> {
        self.flushed_at = Some(now);
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|value| self.waiting.contains_key(value));
        queue
    }

    // Elsewhere.

    /// When values are to be handed to the hub: at once, unless that happened
    /// often lately.
    pub(super) fn hand_over_at(&self, gather: Duration) -> Option<Duration> {
        if self.queue.is_empty() {
            return None;
        }
        let window_ends = self.window + gather;
        Some(if self.in_window < HAND_OVERS {
            self.queued_at
        } else {
            self.queued_at.max(window_ends)
        })
    }

    /// What is to be handed over now.
    pub(super) fn hand_over(&mut self, gather: Duration, now: Duration) -> Vec<T> {
        if now >= self.window + gather {
            self.window = now;
            self.in_window = 0;
        }
        self.in_window += 1;
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|value| match self.waiting.get_mut(value) {
            Some(handed) => {
                *handed = Some(now);
                true
            }
            None => false,
        });
        for value in &queue {
            self.expect(value.clone(), 0, now);
        }
        queue
    }

    /// Starts to wait for a value to come back.
    pub(super) fn expect(&mut self, value: T, round: u32, now: Duration) {
        self.handed.push_back(Handed {
            value,
            at: now,
            round,
        });
    }

    /// When the first value handed over should have come back at the latest.
    pub(super) fn overdue_at(&self) -> Option<Duration> {
        self.handed.front().map(|first| first.at + self.patience())
    }

    fn patience(&self) -> Duration {
        let patience = self.turnaround.patience();
        patience.unwrap_or(UNKNOWN_PATIENCE).min(OVERDUE)
    }

    /// The values that should have come back: those to be handed over again,
    /// with how often that has happened, and those with which that happened
    /// often enough. A hub that was heard since then has more chances; one
    /// that was not is soon out of reach, and only a node that reaches all by
    /// itself (`is_star`) does not wait for that.
    pub(super) fn overdue(
        &mut self,
        hub_heard_at: Duration,
        is_star: bool,
        now: Duration,
    ) -> Overdue<T> {
        let mut overdue = Overdue {
            again: Vec::new(),
            given_up: Vec::new(),
        };
        let mut late = false;
        while self.overdue_at().is_some_and(|at| at <= now)
            && let Some(Handed { value, at, round }) = self.handed.pop_front()
        {
            // How long it took at last tells nothing about how long it takes
            // (Karn's algorithm).
            if let Some(handed) = self.waiting.get_mut(&value) {
                *handed = None;
                // Once may be bad luck.
                late |= round > 0;
                let enough = if hub_heard_at > at {
                    round + 1 >= ROUNDS
                } else {
                    is_star && round + 1 >= ROUNDS_IN_SILENCE
                };
                if enough {
                    overdue.given_up.push(value);
                } else {
                    overdue.again.push((value, round + 1));
                }
            }
        }
        if late {
            self.turnaround.is_late();
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_hub_passes_on_at_once_after_a_silence_and_gathers_else() {
        let mut intake = Intake::<u64>::new();
        assert_eq!(intake.flush_at(ms(100)), None);
        intake.push(1, ms(1000));
        assert_eq!(intake.flush_at(ms(100)), Some(ms(1000)));
        assert_eq!(intake.flush(ms(1000)), [1]);
        intake.push(2, ms(1199));
        intake.push(3, ms(1250));
        assert_eq!(intake.flush_at(ms(100)), Some(ms(1299)));
        intake.is_in_stream(&2, ms(1260));
        assert_eq!(intake.flush(ms(1299)), [3]);
        intake.push(4, ms(1499));
        assert_eq!(intake.flush_at(ms(100)), Some(ms(1499)));
    }

    #[test]
    fn a_node_hands_over_at_once_unless_it_has_much() {
        let mut intake = Intake::<u64>::new();
        for value in 0..8 {
            intake.push(value, ms(1000));
            assert_eq!(intake.hand_over_at(ms(100)), Some(ms(1000)));
            assert_eq!(intake.hand_over(ms(100), ms(1000)), [value]);
        }
        intake.push(8, ms(1001));
        intake.push(9, ms(1002));
        assert_eq!(intake.hand_over_at(ms(100)), Some(ms(1100)));
        assert_eq!(intake.hand_over(ms(100), ms(1100)), [8, 9]);
    }

    #[test]
    fn what_does_not_come_back_is_handed_over_again_and_then_given_up() {
        let mut intake = Intake::<u64>::new();
        for value in [1, 2] {
            intake.push(value, ms(0));
        }
        intake.hand_over(ms(100), ms(0));
        intake.is_in_stream(&1, ms(100));
        // A first sample of 100 ms makes a patience of 300.
        assert_eq!(intake.overdue_at(), Some(ms(300)));
        assert!(intake.overdue(ms(0), true, ms(299)).again.is_empty());
        assert_eq!(intake.overdue(ms(0), true, ms(300)).again, [(2, 1)]);
        assert_eq!(intake.overdue_at(), None);
        intake.expect(2, 1, ms(300));
        assert_eq!(intake.overdue(ms(299), true, ms(600)).given_up, [2]);
        intake.expect(2, 1, ms(900));
        assert_eq!(intake.overdue_at(), Some(ms(1500)), "twice as patient");
        let overdue = intake.overdue(ms(901), true, ms(9000));
        assert_eq!(overdue.again, [(2, 2)], "the hub is there");
        intake.is_in_stream(&2, ms(9001));
        assert!(intake.is_empty());
    }

    #[test]
    fn with_groups_only_a_hub_that_was_heard_is_given_up() {
        let mut intake = Intake::<u64>::new();
        intake.push(1, ms(0));
        intake.hand_over(ms(100), ms(0));
        for round in 1..9 {
            let overdue = intake.overdue(ms(0), false, Duration::from_secs(3 * round));
            assert_eq!(overdue.again, [(1, round as u32)]);
            intake.expect(1, round as u32, Duration::from_secs(3 * round));
        }
        assert_eq!(
            intake
                .overdue(Duration::from_secs(25), false, Duration::from_secs(27))
                .given_up,
            [1]
        );
    }

    #[test]
    fn another_hub_gets_what_the_last_one_had() {
        let mut intake = Intake::<u64>::new();
        for value in [1, 2, 3] {
            intake.push(value, ms(0));
        }
        intake.hand_over(ms(100), ms(0));
        intake.is_in_stream(&2, ms(10));
        intake.take_back(ms(20));
        assert_eq!(intake.overdue_at(), None);
        assert_eq!(intake.hand_over(ms(100), ms(20)), [1, 3]);
    }
}
