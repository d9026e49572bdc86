//! What a node knows about another one.

use std::collections::VecDeque;
use std::time::Duration;

use super::holdings::{Holdings, Stream};
use super::timing::{MEASURE, Smoothed};

/// How many pings are remembered, so that a round trip may take as many seconds.
const PINGS: usize = 8;

/// Another node, as far as this one knows it. There is one only for those
/// that this node has to do with.
pub(super) struct Peer {
    /// Its life that was last heard of.
    pub(super) run: Option<u32>,
    /// How much it is known to have of each of this node's streams.
    has: Vec<u64>,
    /// It does not know that all its children have what it has.
    pub(super) busy: bool,
    /// It counts on this node for news.
    pub(super) joined: bool,
    /// Since when it has not been known to have all that this node has.
    pub(super) behind_since: Option<Duration>,
    /// When it last told what it has.
    pub(super) reported_at: Duration,
    pub(super) heard_at: Duration,
    /// A question that it has not answered yet.
    pub(super) asked: Option<Asked>,
    /// The last digest it was told all have.
    pub(super) told_done: Option<u64>,
    pub(super) round_trip: Smoothed,
    pinged_at: Option<Duration>,
    /// The last numbers sent to it that did not come back, and when.
    pings: VecDeque<(u32, Duration)>,
    pong: Option<(u32, Duration)>,
}

/// A question that waits for an answer.
pub(super) struct Asked {
    /// How many before it were not answered.
    pub(super) unanswered: u32,
    /// When it counts as not answered.
    pub(super) until: Duration,
}

impl Peer {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            run: None,
            has: Vec::new(),
            busy: false,
            joined: false,
            behind_since: Some(now),
            reported_at: Duration::ZERO,
            heard_at: Duration::ZERO,
            asked: None,
            told_done: None,
            round_trip: Smoothed::default(),
            pinged_at: None,
            pings: VecDeque::new(),
            pong: None,
        }
    }

    /// Takes note of which life of the node a message comes from. Returns
    /// whether it is another one than before, of which nothing is known.
    ///
    /// A late message of a former life makes it forget what is known about
    /// the present one, until that is heard of again; what it learns about
    /// the two never gets mixed.
    pub(super) fn meet(&mut self, run: u32, now: Duration) -> bool {
        if self.run == Some(run) {
            return false;
        }
        let known = self.run.replace(run).is_some();
        self.has.clear();
        self.busy = false;
        self.joined = false;
        self.behind_since.get_or_insert(now);
        self.told_done = None;
        self.pong = None;
        known
    }

    /// Takes note that it has so much of a stream.
    pub(super) fn note(&mut self, place: usize, len: u64) {
        if self.has.len() <= place {
            self.has.resize(place + 1, 0);
        }
        self.has[place] = self.has[place].max(len);
    }

    /// How much of a stream it is known to have.
    pub(super) fn has(&self, place: usize) -> u64 {
        self.has.get(place).copied().unwrap_or_default()
    }

    /// Of which streams it is not known to have all that this node has.
    pub(super) fn lacks<'a, T>(
        &self,
        streams: &'a [Stream<T>],
    ) -> impl Iterator<Item = (usize, &'a Stream<T>)> {
        let places = streams.iter().enumerate();
        places.filter(|(place, stream)| self.has(*place) < stream.len())
    }

    /// Compares what it has with what this node has.
    pub(super) fn compare<T>(&mut self, holdings: &Holdings<T>, now: Duration) {
        let lacks = self.lacks(holdings.streams()).next().is_some();
        self.behind_since = lacks.then(|| self.behind_since.unwrap_or(now));
    }

    /// Whether nothing is left to be done for it: it and its children are
    /// known to have all that this node has.
    pub(super) fn is_settled(&self) -> bool {
        self.run.is_some() && self.behind_since.is_none() && !self.busy
    }

    // The round trip.

    /// A number to be sent along, if it is time to measure.
    pub(super) fn start_ping(&mut self, number: u32, now: Duration) -> Option<u32> {
        if self.pinged_at.is_some_and(|last| now < last + MEASURE) {
            return None;
        }
        self.pinged_at = Some(now);
        if self.pings.len() == PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((number, now));
        Some(number)
    }

    pub(super) fn take_ping(&mut self, number: u32, now: Duration) {
        self.pong = Some((number, now));
    }

    /// What to send back, and for how many microseconds it was kept.
    pub(super) fn pong(&mut self, now: Duration) -> Option<(u32, u64)> {
        let (number, since) = self.pong.take()?;
        let kept = now.saturating_sub(since).as_micros();
        Some((number, u64::try_from(kept).unwrap_or(u64::MAX)))
    }

    /// Takes what came back, and gives the round trip.
    pub(super) fn take_pong(
        &mut self,
        (number, kept): (u32, u64),
        now: Duration,
    ) -> Option<Duration> {
        // A message may arrive twice, and tells the time only once.
        let place = self.pings.iter().position(|(ping, _)| *ping == number)?;
        let (_, sent) = self.pings.remove(place)?;
        let sample = (now - sent).saturating_sub(Duration::from_micros(kept));
        self.round_trip.sample(sample);
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_leaves_out_how_long_the_answer_was_kept() {
        let ms = Duration::from_millis;
        let (mut here, mut there) = (Peer::new(ms(0)), Peer::new(ms(0)));
        let first = here.start_ping(9, ms(0)).unwrap();
        assert_eq!(here.start_ping(10, ms(999)), None, "not so often");
        assert_eq!(here.start_ping(10, ms(1000)), Some(10));
        there.take_ping(first, ms(1100));
        let pong = there.pong(ms(1400)).unwrap();
        assert_eq!(there.pong(ms(1400)), None);
        assert_eq!(here.take_pong((8, 0), ms(1500)), None, "to another life");
        assert_eq!(here.take_pong(pong, ms(1500)), Some(ms(1200)));
        assert_eq!(here.take_pong(pong, ms(1500)), None, "twice");
    }

    #[test]
    fn a_new_life_has_nothing() {
        let now = Duration::ZERO;
        let mut peer = Peer::new(now);
        assert!(!peer.meet(1, now), "the first is no other");
        peer.note(2, 5);
        assert!(!peer.meet(1, now));
        assert_eq!((peer.has(2), peer.has(0), peer.has(9)), (5, 0, 0));
        assert!(peer.meet(2, now));
        assert_eq!(peer.has(2), 0);
        assert!(peer.behind_since.is_some());
    }
}
