//! SipHash of four ids at once, one id in each lane of a vector.
//!
//! The function is exactly that of [`HashKeys`](crate::key::HashKeys): SipHash-1-3 with 128 bits of output (Aumasson
//! and Bernstein, "SipHash: a fast short-input PRF", 2012). One hash is a chain of steps, each of which waits for the
//! step before. Four hashes side by side in a vector take little longer than one.

use super::id_lanes::IdLanes;
use super::simd::{LANES, Simd, U64x4};
use crate::key::SipKey;

/// The hashes of two groups of ids, each with a key of its own. A group's hashes are the low halves, then the high
/// halves.
///
/// The last rounds of both groups go side by side, because a round waits for the round before.
#[inline(always)]
pub(super) fn hash_both<S: Simd>(
    simd: S,
    [a_key, b_key]: [SipKey; 2],
    [a_ids, b_ids]: [&IdLanes; 2],
) -> [[[u64; LANES]; 2]; 2] {
    let (a, b) = (SipState::of(simd, a_key, a_ids), SipState::of(simd, b_key, b_ids));
    let (a, b) = (a.before_low(simd), b.before_low(simd));
    let (a, b) = (a.round(), b.round());
    let (a, b) = (a.round(), b.round());
    let (a, b) = (a.round(), b.round());
    let (a_low, b_low) = (a.sum(), b.sum());
    let (a, b) = (a.before_high(simd), b.before_high(simd));
    let (a, b) = (a.round(), b.round());
    let (a, b) = (a.round(), b.round());
    let (a, b) = (a.round(), b.round());
    [[a_low, a.sum()], [b_low, b.sum()]]
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

    /// The state after all bytes of the ids.
    ///
    /// A hash absorbs the whole words of its id, and then a last word: the rest of the id, with the length of the id in
    /// the top byte.
    #[inline(always)]
    fn of<S: Simd<Words = W>>(simd: S, key: SipKey, ids: &IdLanes) -> Self {
        let splat = |word| simd.words([word; LANES]);
        let mut state = Self::new(simd, key);
        let whole_words = ids.lens.map(|len| len / 8);
        let (fewest, most) = whole_words.iter().fold((u64::MAX, 0), |(min, max), n| (min.min(*n), max.max(*n)));
        let lens = simd.words(ids.lens);
        // All bits >> (64 - 8 * (len % 8)), in two steps that work for 0, too.
        let rest_mask =
            splat(u64::MAX).shift_right(splat(56).xor(lens.and(splat(7)).rotate::<3>())).shift_right(splat(8));
        let top_bytes = lens.and(splat(0xff)).rotate::<56>();
        let mut active = splat(u64::MAX);
        let mut number = 0;
        for [a, b, c, d] in ids.blocks() {
            for word in simd.transpose([a, b, c, d]) {
                if number < fewest {
                    state = state.absorb(word);
                } else {
                    let last = word.and(rest_mask).xor(top_bytes);
                    if fewest == most {
                        return state.absorb(last);
                    }
                    // A lane whose last word was absorbed keeps its state until the other lanes are done.
                    let is_last = simd.words(whole_words).equal(splat(number));
                    let word = word.xor(word.xor(last).and(is_last));
                    state = state.select(active, state.absorb(word));
                    active = active.xor(active.and(is_last));
                    if number == most {
                        return state;
                    }
                }
                number += 1;
            }
        }
        state
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

    /// The state before the three rounds of the low half.
    #[inline(always)]
    fn before_low<S: Simd<Words = W>>(self, simd: S) -> Self {
        let Self([v0, v1, v2, v3]) = self;
        Self([v0, v1, v2.xor(simd.words([0xee; LANES])), v3])
    }

    /// The state before the three rounds of the high half, after those of the low half.
    #[inline(always)]
    fn before_high<S: Simd<Words = W>>(self, simd: S) -> Self {
        let Self([v0, v1, v2, v3]) = self;
        Self([v0, v1.xor(simd.words([0xdd; LANES])), v2, v3])
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
    use super::super::simd::{SimdTask, on_each_unit, run_simd};
    use super::super::text::Text;
    use super::*;
    use crate::key::{EventKey, HashKeys, UserKey};
    use proptest::prelude::*;

    /// Hashes the ids of four events.
    struct HashTask<'l>([SipKey; 2], [&'l IdLanes; 2]);

    impl SimdTask for HashTask<'_> {
        type Output = [[[u64; LANES]; 2]; 2];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            hash_both(simd, self.0, self.1)
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
            let text = ids.concat();
            let mut lanes = [IdLanes::default(), IdLanes::default()];
            let mut start = 0;
            for (lane, id) in ids.iter().enumerate() {
                lanes[0].set(lane, Text::new(text.as_bytes()), start, id.len());
                lanes[1].set([2, 1, 3, 0][lane], Text::new(id.as_bytes()), 0, id.len());
                start += id.len();
            }
            on_each_unit(|| {
                let task = HashTask([keys.event_key(), keys.user_key()], lanes.each_ref());
                let [[event_low, event_high], [user_low, user_high]] = run_simd(task);
                for (lane, (id, user)) in ids.iter().zip([3, 1, 0, 2].map(|lane| &ids[lane])).enumerate() {
                    assert_eq!(EventKey([event_low[lane], event_high[lane]]), keys.event(id));
                    assert_eq!(UserKey::of_hash([user_low[lane], user_high[lane]]), keys.user(user));
                }
            });
        }
    }
}
