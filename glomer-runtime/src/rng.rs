//! A small deterministic random number generator.
//!
//! Everything random in a node or a simulation comes from an [`Rng`], and an
//! `Rng` comes from a seed, so the same seed gives the same run.

use std::cell::Cell;
use std::ops::Range;

/// A seeded random number generator: xoshiro256++ (Blackman and Vigna,
/// <https://prng.di.unimi.it/>), its state filled from the seed by splitmix64 as its
/// authors recommend.
///
/// It is fast and statistically good, and it is not for secrets. To draw takes no
/// more than a shared reference, so a choice can depend on another drawn meanwhile.
///
/// ```
/// use glomer_runtime::Rng;
///
/// let one = Rng::seeded(42);
/// let two = Rng::seeded(42);
/// assert_eq!(one.next_u64(), two.next_u64());
/// assert!(one.below(6) < 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: Cell<[u64; 4]>,
}

impl Rng {
    /// The generator of a seed. Seeds that differ in one bit give unrelated sequences.
    pub fn seeded(seed: u64) -> Rng {
        let mut counter = seed;
        Rng {
            state: Cell::new(std::array::from_fn(|_| splitmix64(&mut counter))),
        }
    }

    /// The generator of something that goes by these names under a seed: the same whatever else
    /// there is, and on every machine.
    ///
    /// ```
    /// use glomer_runtime::Rng;
    ///
    /// let link = Rng::named(42, &["n0", "n1"]);
    /// assert_eq!(link, Rng::named(42, &["n0", "n1"]));
    /// assert_ne!(link, Rng::named(42, &["n1", "n0"]));
    /// ```
    pub fn named(seed: u64, names: &[&str]) -> Rng {
        // The hash of Fowler, Noll and Vo; no name has the byte that ends each.
        let bytes = names.iter().flat_map(|name| name.bytes().chain([0xff]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Rng::seeded(seed ^ hash)
    }

    /// Begins anew, with the sequence of another seed.
    pub(crate) fn reseed(&self, seed: u64) {
        self.state.set(Rng::seeded(seed).state.get());
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&self) -> u64 {
        let mut s = self.state.get();
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        self.state.set(s);
        result
    }

    /// A number in `0..bound`, every one equally likely (Lemire's multiplication method,
    /// <https://arxiv.org/abs/1805.10941>).
    ///
    /// # Panics
    /// When `bound` is 0: there is no number below it.
    #[inline]
    #[track_caller]
    pub fn below(&self, bound: u64) -> u64 {
        assert!(
            bound > 0,
            "Rng::below(0): there is no number below 0; ask for at least 1"
        );
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            // Only the lowest `2^64 mod bound` values are over-represented; computing that
            // bound costs a division, so it is done only where it could matter.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in the range, every one equally likely.
    ///
    /// # Panics
    /// When the range is empty.
    #[track_caller]
    pub fn range(&self, range: Range<u64>) -> u64 {
        assert!(
            range.start < range.end,
            "Rng::range({range:?}): the range is empty; its end must be above its start"
        );
        range.start + self.below(range.end - range.start)
    }

    /// A number in `0.0..1.0`, a multiple of 2⁻⁵³.
    pub fn unit(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the probability `p`: never for 0 and below, always for 1 and above.
    pub fn chance(&self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of the items, every one equally likely; `None` when there are none.
    pub fn choose<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        match items.len() {
            0 => None,
            count => items.get(self.below(count as u64) as usize),
        }
    }

    /// Puts the items into a random order, every order equally likely (Fisher and Yates).
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    /// A new generator with a sequence of its own, so that two users do not disturb each
    /// other's numbers.
    #[must_use]
    pub fn fork(&self) -> Rng {
        Rng::seeded(self.next_u64())
    }
}

/// The next number of Steele, Lea and Flood's splitmix64, which is made for filling states:
/// no seed, not even 0, leaves xoshiro in its one bad state of all zeros.
fn splitmix64(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *counter;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sequences() {
        let mut counter = 1_234_567;
        let filled: Vec<u64> = (0..3).map(|_| splitmix64(&mut counter)).collect();
        assert_eq!(
            filled,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );

        let rng = Rng {
            state: Cell::new([1, 2, 3, 4]),
        };
        let drawn: Vec<u64> = (0..6).map(|_| rng.next_u64()).collect();
        assert_eq!(
            drawn,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162
            ]
        );
    }

    #[test]
    fn below_is_even_over_its_range() {
        let rng = Rng::seeded(1);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[rng.below(6) as usize] += 1;
        }
        assert!(
            counts.iter().all(|c| (9_500..10_500).contains(c)),
            "{counts:?}"
        );
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }

    #[test]
    fn shuffles_choices_and_chances_follow_their_odds() {
        let rng = Rng::seeded(2);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut items = [1, 2, 3];
            rng.shuffle(&mut items);
            *seen.entry(items).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|n| (850..1_150).contains(n)), "{seen:?}");

        assert_eq!(rng.choose::<u8>(&[]), None);
        assert!([1, 2].contains(rng.choose(&[1, 2]).unwrap()));

        let hits = (0..10_000).filter(|_| rng.chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!((0..100).all(|_| !rng.chance(0.0) && rng.chance(1.0)));
    }

    #[test]
    fn a_fork_goes_its_own_way() {
        let rng = Rng::seeded(3);
        let twin = rng.clone();
        let fork = rng.fork();
        twin.next_u64();
        assert_eq!(rng, twin);
        assert_ne!(fork.next_u64(), rng.next_u64());
    }

    #[test]
    #[should_panic(expected = "there is no number below 0")]
    fn below_zero_is_refused() {
        Rng::seeded(4).below(0);
    }
}
