//! The ids of four events hashed at once, one in each lane of a vector.
//!
//! The function is that of [`HashKeys`](crate::key::HashKeys), to the bit: SipHash-1-3 with 128 bits of output (Aumasson
//! and Bernstein, "SipHash: a fast short-input PRF", 2012). A single one is a chain of steps that each wait for the one
//! before; four side by side in a vector take little longer than one.

use super::vector::{LANES, Vector, Words};
use crate::key::SipKey;

/// The hash of each id: the low halves, and the high ones.
#[inline(always)]
pub(super) fn hashes<V: Vector>(vector: V, key: SipKey, ids: [&[u8]; LANES]) -> [[u64; LANES]; 2] {
    let mut state = State::new(vector, key);
    // Written out, because closures over arrays are not inlined as far as they would have to be.
    let [a, b, c, d] = ids;
    let [a_words, b_words, c_words, d_words] = [words(a), words(b), words(c), words(d)];
    let lens = [a_words.len(), b_words.len(), c_words.len(), d_words.len()];
    let (fewest, most) = lens.iter().fold((usize::MAX, 0), |(fewest, most), len| (fewest.min(*len), most.max(*len)));
    for at in 0..fewest {
        let word = |words: &[[u8; 8]]| u64::from_le_bytes(words[at]);
        state = state.absorb(vector.words([word(a_words), word(b_words), word(c_words), word(d_words)]));
    }
    for at in fewest..most {
        // A lane that has no more words keeps its state until the others are through too.
        let word = |words: &[[u8; 8]]| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        let next = state.absorb(vector.words([word(a_words), word(b_words), word(c_words), word(d_words)]));
        let goes_on = |len: usize| if at < len { u64::MAX } else { 0 };
        let [a, b, c, d] = lens;
        state = state.step_where(vector.words([goes_on(a), goes_on(b), goes_on(c), goes_on(d)]), next);
    }
    state = state.absorb(vector.words([last_word(a), last_word(b), last_word(c), last_word(d)]));
    state.finish(vector)
}

#[inline(always)]
fn words(id: &[u8]) -> &[[u8; 8]] {
    id.as_chunks().0
}

/// The bytes after the last whole word, and the length in the top byte.
#[inline(always)]
fn last_word(id: &[u8]) -> u64 {
    let rest = match (id.last_chunk::<8>(), id.first_chunk::<4>(), id.last_chunk::<4>()) {
        // In two steps, since no shift may be by all 64 bits.
        (Some(last), ..) => u64::from_le_bytes(*last) >> 1 >> (63 - id.len() % 8 * 8),
        // Where the two overlap they have the same bytes.
        (None, Some(first), Some(last)) => word_of(first) | word_of(last) << ((id.len() - 4) * 8),
        _ => id.iter().rev().fold(0, |rest, byte| rest << 8 | u64::from(*byte)),
    };
    rest | (id.len() as u64) << 56
}

#[inline(always)]
fn word_of(half: &[u8; 4]) -> u64 {
    u32::from_le_bytes(*half).into()
}

#[derive(Clone, Copy)]
struct State<W>([W; 4]);

impl<W: Words> State<W> {
    #[inline(always)]
    fn new<V: Vector<Words = W>>(vector: V, SipKey([k0, k1]): SipKey) -> Self {
        // "somepseudorandomlygeneratedbytes", and 0xee for the longer output.
        let everywhere = |word| vector.words([word; LANES]);
        Self([
            everywhere(k0 ^ 0x736f_6d65_7073_6575),
            everywhere(k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee),
            everywhere(k0 ^ 0x6c79_6765_6e65_7261),
            everywhere(k1 ^ 0x7465_6462_7974_6573),
        ])
    }

    #[inline(always)]
    fn absorb(self, word: W) -> Self {
        let Self([v0, v1, v2, v3]) = self;
        let Self([v0, v1, v2, v3]) = Self([v0, v1, v2, v3.xor(word)]).round();
        Self([v0.xor(word), v1, v2, v3])
    }

    /// The next state in the lanes where all bits are set, and this one in the others.
    #[inline(always)]
    fn step_where(self, lanes: W, next: Self) -> Self {
        let (Self([v0, v1, v2, v3]), Self([n0, n1, n2, n3])) = (self, next);
        let step = |before: W, next: W| before.xor(before.xor(next).and(lanes));
        Self([step(v0, n0), step(v1, n1), step(v2, n2), step(v3, n3)])
    }

    #[inline(always)]
    fn finish<V: Vector<Words = W>>(mut self, vector: V) -> [[u64; LANES]; 2] {
        self.0[2] = self.0[2].xor(vector.words([0xee; LANES]));
        self = self.round().round().round();
        let low = self.sum();
        self.0[1] = self.0[1].xor(vector.words([0xdd; LANES]));
        self = self.round().round().round();
        [low, self.sum()]
    }

    #[inline(always)]
    fn sum(self) -> [u64; LANES] {
        let Self([v0, v1, v2, v3]) = self;
        v0.xor(v1).xor(v2.xor(v3)).lanes()
    }

    #[inline(always)]
    fn round(self) -> Self {
        let Self([v0, v1, v2, v3]) = self;
        let (v0, v2) = (v0.add(v1), v2.add(v3));
        let (v1, v3) = (v1.rotate::<13>().xor(v0), v3.rotate::<16>().xor(v2));
        let (v2, v0) = (v2.add(v1), v0.rotate::<32>().add(v3));
        let (v1, v3) = (v1.rotate::<17>().xor(v2), v3.rotate::<21>().xor(v0));
        Self([v0, v1, v2.rotate::<32>(), v3])
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::{Work, with_vectors};
    use super::*;
    use crate::key::{EventKey, HashKeys, UserKey};
    use proptest::prelude::*;

    /// The hashes of four ids, by a vector unit.
    struct Hashes<'t>(SipKey, [&'t [u8]; LANES]);

    impl Work for Hashes<'_> {
        type Output = [[u64; LANES]; 2];

        #[inline(always)]
        fn run<V: Vector>(self, vector: V) -> Self::Output {
            hashes(vector, self.0, self.1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn every_lane_has_the_hash_of_its_own_id(
            ids in prop_oneof![
                prop::array::uniform4("\\PC{0,70}"),
                prop::array::uniform4("[a-z0-9]{36}"),
                prop::array::uniform4("[a-z0-9]{0,18}"),
                prop::array::uniform4("x{250,256}"),
            ],
            seed in any::<[u8; 32]>(),
        ) {
            let keys = HashKeys::from_seed(&seed);
            let bytes = [0, 1, 2, 3].map(|lane| ids[lane].as_bytes());
            let (events, users) = (Hashes(keys.event_key(), bytes), Hashes(keys.user_key(), bytes));
            let [[event_low, event_high], [user_low, user_high]] = [with_vectors(events), with_vectors(users)];
            for (lane, id) in ids.iter().enumerate() {
                prop_assert_eq!(EventKey([event_low[lane], event_high[lane]]), keys.event(id));
                prop_assert_eq!(UserKey::of_hash([user_low[lane], user_high[lane]]), keys.user(id));
            }
        }
    }
}
