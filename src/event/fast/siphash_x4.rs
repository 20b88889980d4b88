//! SipHash of four ids at once, one id in each lane of a vector.
//!
//! The function is exactly that of [`HashKeys`](crate::key::HashKeys): SipHash-1-3 with 128 bits of output (Aumasson
//! and Bernstein, "SipHash: a fast short-input PRF", 2012). One hash is a chain of steps, each of which waits for the
//! step before. Four hashes side by side in a vector take little longer than one.

use super::simd::{LANES, Simd, U64x4};
use crate::key::SipKey;

/// The hash of each id: the low halves, then the high halves.
#[inline(always)]
pub(super) fn hash<S: Simd>(simd: S, key: SipKey, ids: [&[u8]; LANES]) -> [[u64; LANES]; 2] {
    let mut state = SipState::new(simd, key);
    // The four ids are written out, because the compiler does not inline closures over arrays far enough.
    let [a, b, c, d] = ids;
    let [a_words, b_words, c_words, d_words] = [words(a), words(b), words(c), words(d)];
    let lens = [a_words.len(), b_words.len(), c_words.len(), d_words.len()];
    let (fewest, most) = lens.iter().fold((usize::MAX, 0), |(fewest, most), len| (fewest.min(*len), most.max(*len)));
    for at in 0..fewest {
        let word = |words: &[[u8; 8]]| u64::from_le_bytes(words[at]);
        state = state.absorb(simd.words([word(a_words), word(b_words), word(c_words), word(d_words)]));
    }
    for at in fewest..most {
        // A lane without more words keeps its state until the other lanes are done.
        let word = |words: &[[u8; 8]]| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        let next = state.absorb(simd.words([word(a_words), word(b_words), word(c_words), word(d_words)]));
        let mask = |len: usize| if at < len { u64::MAX } else { 0 };
        let [a, b, c, d] = lens;
        state = state.select(simd.words([mask(a), mask(b), mask(c), mask(d)]), next);
    }
    state = state.absorb(simd.words([last_word(a), last_word(b), last_word(c), last_word(d)]));
    state.finish(simd)
}

#[inline(always)]
fn words(id: &[u8]) -> &[[u8; 8]] {
    id.as_chunks().0
}

/// The bytes after the last whole word, and the length in the top byte.
#[inline(always)]
fn last_word(id: &[u8]) -> u64 {
    let rest = match (id.last_chunk::<8>(), id.first_chunk::<4>(), id.last_chunk::<4>()) {
        // Two shifts, because one shift may not be by all 64 bits.
        (Some(last), ..) => u64::from_le_bytes(*last) >> 1 >> (63 - id.len() % 8 * 8),
        // Bytes that are in both halves are equal.
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
struct SipState<W>([W; 4]);

impl<W: U64x4> SipState<W> {
    #[inline(always)]
    fn new<S: Simd<Words = W>>(simd: S, SipKey([k0, k1]): SipKey) -> Self {
        // "somepseudorandomlygeneratedbytes", and 0xee for the longer output.
        let splat = |word| simd.words([word; LANES]);
        Self([
            splat(k0 ^ 0x736f_6d65_7073_6575),
            splat(k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee),
            splat(k0 ^ 0x6c79_6765_6e65_7261),
            splat(k1 ^ 0x7465_6462_7974_6573),
        ])
    }

    #[inline(always)]
    fn absorb(self, word: W) -> Self {
        let Self([v0, v1, v2, v3]) = self;
        let Self([v0, v1, v2, v3]) = Self([v0, v1, v2, v3.xor(word)]).round();
        Self([v0.xor(word), v1, v2, v3])
    }

    /// The next state in the lanes whose mask bits are all set, and this state in the other lanes.
    #[inline(always)]
    fn select(self, mask: W, next: Self) -> Self {
        let (Self([v0, v1, v2, v3]), Self([n0, n1, n2, n3])) = (self, next);
        let select = |before: W, next: W| before.xor(before.xor(next).and(mask));
        Self([select(v0, n0), select(v1, n1), select(v2, n2), select(v3, n3)])
    }

    #[inline(always)]
    fn finish<S: Simd<Words = W>>(mut self, simd: S) -> [[u64; LANES]; 2] {
        self.0[2] = self.0[2].xor(simd.words([0xee; LANES]));
        self = self.round().round().round();
        let low = self.sum();
        self.0[1] = self.0[1].xor(simd.words([0xdd; LANES]));
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
    use super::super::simd::{SimdTask, run_simd};
    use super::*;
    use crate::key::{EventKey, HashKeys, UserKey};
    use proptest::prelude::*;

    /// Hashes four ids.
    struct HashTask<'t>(SipKey, [&'t [u8]; LANES]);

    impl SimdTask for HashTask<'_> {
        type Output = [[u64; LANES]; 2];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            hash(simd, self.0, self.1)
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
            let (events, users) = (HashTask(keys.event_key(), bytes), HashTask(keys.user_key(), bytes));
            let [[event_low, event_high], [user_low, user_high]] = [run_simd(events), run_simd(users)];
            for (lane, id) in ids.iter().enumerate() {
                prop_assert_eq!(EventKey([event_low[lane], event_high[lane]]), keys.event(id));
                prop_assert_eq!(UserKey::of_hash([user_low[lane], user_high[lane]]), keys.user(id));
            }
        }
    }
}
