//! What a node holds: values, and of which streams it has how much.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::order::mix;

/// A numbered sequence of values, written by one node in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    /// The rank of the node that writes it.
    pub(super) owner: u32,
    /// Tells a node that was restarted from its former self.
    pub(super) run: u32,
}

/// What a node has of one stream.
pub(super) struct Stream<T> {
    pub(super) id: StreamId,
    /// Its beginning, without a gap.
    values: Vec<T>,
    /// Parts beyond a gap, by their place in the stream.
    loose: BTreeMap<u64, Vec<T>>,
    pub(super) extended_at: Duration,
    /// What is known to be missing.
    pub(super) gap: Option<Gap>,
}

/// The part of a stream that somebody has and this node has not.
pub(super) struct Gap {
    /// How long the stream is known to be.
    pub(super) goal: u64,
    /// Who has that much.
    pub(super) source: u32,
    pub(super) ask_at: Duration,
    /// How often it was asked for since anything came.
    pub(super) asked: u32,
}

impl<T> Stream<T> {
    pub(super) fn len(&self) -> u64 {
        self.values.len() as u64
    }

    pub(super) fn from(&self, start: u64) -> &[T] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.values.get(start..).unwrap_or_default()
    }
}

/// All values of a node, once as a set and once as streams.
///
/// The lengths of the streams are a version vector: they tell exactly what a
/// node holds, and comparing two tells exactly what one lacks of the other.
pub(super) struct Holdings<T> {
    set: BTreeSet<T>,
    streams: Vec<Stream<T>>,
    places: BTreeMap<StreamId, usize>,
    digest: u64,
    gaps: BTreeSet<usize>,
}

impl<T> Holdings<T> {
    pub(super) fn new() -> Self {
        Self {
            set: BTreeSet::new(),
            streams: Vec::new(),
            places: BTreeMap::new(),
            digest: 0,
            gaps: BTreeSet::new(),
        }
    }

    pub(super) fn set(&self) -> &BTreeSet<T> {
        &self.set
    }

    pub(super) fn streams(&self) -> &[Stream<T>] {
        &self.streams
    }
}

impl<T: Ord + Clone> Holdings<T> {
    /// Adds a value that is not part of a stream yet.
    pub(super) fn insert(&mut self, value: T) -> bool {
        self.set.insert(value)
    }

    /// The place of a stream among the streams of this node, which it keeps.
    pub(super) fn place(&mut self, id: StreamId) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            self.streams.push(Stream {
                id,
                values: Vec::new(),
                loose: BTreeMap::new(),
                extended_at: Duration::ZERO,
                gap: None,
            });
            self.streams.len() - 1
        })
    }

    /// A number that is the same for nodes that hold the same streams equally
    /// far, and almost surely differs otherwise. It has 53 bits, so that every
    /// reader of JSON gets it right.
    pub(super) fn digest(&self) -> u64 {
        self.digest >> 11
    }

    /// Takes in a part of a stream. The values join the set at once; what is
    /// beyond a gap joins the stream when the gap is filled. Returns by how
    /// much the stream grew, from where to where.
    pub(super) fn extend(
        &mut self,
        place: usize,
        at: u64,
        values: Vec<T>,
        now: Duration,
    ) -> (u64, u64) {
        self.set.extend(values.iter().cloned());
        if values.is_empty() {
            let len = self.streams[place].len();
            return (len, len);
        }
        let stream = &mut self.streams[place];
        let old = stream.len();
        let kept = stream.loose.entry(at).or_default();
        if kept.len() < values.len() {
            *kept = values;
        }
        while let Some(part) = stream.loose.first_entry()
            && *part.key() <= stream.values.len() as u64
        {
            let skip = stream.values.len() as u64 - part.key();
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let part = part.remove();
            stream.values.extend(part.into_iter().skip(skip));
        }
        let new = stream.len();
        if new > old {
            stream.extended_at = now;
            self.digest ^= fingerprint(stream.id, old) ^ fingerprint(stream.id, new);
        }
        match &mut stream.gap {
            Some(gap) if gap.goal <= new => {
                stream.gap = None;
                self.gaps.remove(&place);
            }
            Some(gap) if new > old => gap.asked = 0,
            _ => {}
        }
        (old, new)
    }

    /// The end of the part of a stream that begins beyond a gap, if there is one.
    pub(super) fn loose_end(&self, place: usize) -> Option<u64> {
        let (at, part) = self.streams[place].loose.last_key_value()?;
        Some(at + part.len() as u64)
    }

    /// Takes note that `source` has the stream up to `goal`, which may be more
    /// than this node has.
    pub(super) fn hear(&mut self, place: usize, goal: u64, source: u32, ask_at: Duration) {
        let stream = &mut self.streams[place];
        if goal <= stream.len() {
            return;
        }
        self.gaps.insert(place);
        let gap = stream.gap.get_or_insert(Gap {
            goal,
            source,
            ask_at,
            asked: 0,
        });
        if goal > gap.goal || gap.asked > 1 {
            gap.source = source;
        }
        gap.goal = gap.goal.max(goal);
        if gap.asked == 0 {
            gap.ask_at = gap.ask_at.min(ask_at);
        }
    }

    /// The streams of which something is known to be missing.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (usize, &Gap)> {
        let gaps = self.gaps.iter();
        gaps.filter_map(|place| Some((*place, self.streams[*place].gap.as_ref()?)))
    }

    pub(super) fn gap_mut(&mut self, place: usize) -> Option<&mut Gap> {
        self.streams[place].gap.as_mut()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Gives up on the missing part of a stream, and gives back those values
    /// beyond it that are in no stream now.
    pub(super) fn give_up(&mut self, place: usize) -> BTreeSet<T> {
        self.gaps.remove(&place);
        let stream = &mut self.streams[place];
        stream.gap = None;
        let loose = std::mem::take(&mut stream.loose);
        let mut homeless: BTreeSet<T> = loose.into_values().flatten().collect();
        if !homeless.is_empty() {
            for value in self.streams.iter().flat_map(|stream| &stream.values) {
                homeless.remove(value);
            }
        }
        homeless
    }
}

fn fingerprint(id: StreamId, len: u64) -> u64 {
    match len {
        0 => 0,
        _ => mix(mix(u64::from(id.owner) << 32 | u64::from(id.run)) ^ mix(len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn stream(run: u32) -> StreamId {
        StreamId { owner: 1, run }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let parts = [
            (0, vec![1, 2]),
            (2, vec![3]),
            (1, vec![2, 3, 4]),
            (4, vec![5]),
        ];
        let mut digests = BTreeSet::new();
        for first in 0..4 {
            let mut holdings = Holdings::<u64>::new();
            let place = holdings.place(stream(7));
            for n in 0..4 {
                let (at, values) = parts[(first + n) % 4].clone();
                holdings.extend(place, at, values, NOW);
            }
            assert_eq!(holdings.streams()[place].from(0), [1, 2, 3, 4, 5]);
            assert!(holdings.loose_end(place).is_none());
            digests.insert(holdings.digest());
        }
        assert_eq!(digests.len(), 1);
    }

    #[test]
    fn what_lies_beyond_a_gap_is_read_but_not_held() {
        let mut holdings = Holdings::<u64>::new();
        let place = holdings.place(stream(7));
        assert_eq!(holdings.extend(place, 2, vec![30], NOW), (0, 0));
        assert!(holdings.set().contains(&30));
        assert_eq!(holdings.digest(), Holdings::<u64>::new().digest());
        assert_eq!(holdings.loose_end(place), Some(3));

        assert_eq!(holdings.extend(place, 0, vec![10, 20], NOW), (0, 3));
        assert_eq!(holdings.extend(place, 0, vec![10, 20], NOW), (3, 3));
        assert_eq!(holdings.streams()[place].from(1), [20, 30]);
        assert!(holdings.streams()[place].from(9).is_empty());
    }

    #[test]
    fn a_gap_ends_when_it_is_filled_or_given_up() {
        let mut holdings = Holdings::<u64>::new();
        let place = holdings.place(stream(7));
        holdings.hear(place, 0, 3, NOW);
        assert!(holdings.is_whole(), "nothing is missing of nothing");
        holdings.hear(place, 2, 3, NOW);
        holdings.hear(place, 1, 4, NOW);
        let gap = |it: &Holdings<u64>| it.gaps().map(|(_, gap)| (gap.goal, gap.source)).next();
        assert_eq!(gap(&holdings), Some((2, 3)));
        holdings.extend(place, 0, vec![1], NOW);
        assert_eq!(gap(&holdings), Some((2, 3)));
        holdings.extend(place, 1, vec![2], NOW);
        assert_eq!(gap(&holdings), None);

        holdings.hear(place, 4, 3, NOW);
        holdings.extend(place, 3, vec![4], NOW);
        assert_eq!(holdings.give_up(place), BTreeSet::from([4]));
        assert!(holdings.is_whole() && holdings.loose_end(place).is_none());
    }

    #[test]
    fn what_is_in_another_stream_is_not_given_back() {
        let mut holdings = Holdings::<u64>::new();
        let (one, other) = (holdings.place(stream(7)), holdings.place(stream(8)));
        holdings.extend(one, 3, vec![10, 20, 30], NOW);
        holdings.extend(other, 0, vec![20], NOW);
        assert_eq!(holdings.give_up(one), BTreeSet::from([10, 30]));
        assert_eq!(holdings.give_up(one), BTreeSet::new());
    }

    #[test]
    fn the_digest_tells_streams_and_lengths_apart() {
        let mut digests = BTreeSet::new();
        for (run, len) in [(1, 0), (1, 1), (1, 2), (2, 1), (2, 2)] {
            let mut holdings = Holdings::<u64>::new();
            let place = holdings.place(stream(run));
            holdings.extend(place, 0, (0..len).collect(), NOW);
            assert!(digests.insert(holdings.digest()));
            assert!(holdings.digest() < 1 << 53);
        }
    }
}
