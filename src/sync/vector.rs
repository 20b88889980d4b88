//! Looks at a line by vector units. The best unit of the processor is chosen once for a whole batch of looks. One
//! register of AVX-512 for the whole line was slower than two of AVX2.
//!
//! In Rust, a vector load is not an atomic access, so the loads are inline assembly. The processor makes each aligned
//! word of a vector one access, and so an atomic Relaxed load: every x86-64 processor with AVX loads 16 aligned bytes
//! at once (Intel, "Software Developer's Manual", 3A, 9.1.1; AMD, "Architecture Programmer's Manual", 2, 7.3.2). A
//! wider load is made of such parts, or of wider ones.
#![allow(unsafe_code, reason = "vector instructions need a processor that has them; each block says why it has")]

use super::line::{Portable, Vector};

/// Work that looks at lines.
pub(crate) trait Job {
    /// The result of the work.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, so that they are compiled for the vector unit.
    fn run(self, vector: impl Vector) -> Self::Output;
}

/// Runs the job with the best vector unit of this processor.
#[inline]
pub(crate) fn run<J: Job>(job: J) -> J::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { x86_64::run_avx2(job) };
        }
    }
    job.run(Portable)
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::super::line::{Line, Look, MARK, TAG_BITS, Vector};
    use super::Job;
    use std::arch::asm;
    use std::arch::x86_64::*;

    /// Exists only where the processor has AVX2.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    /// # Safety
    /// The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn run_avx2<J: Job>(job: J) -> J::Output {
        job.run(Avx2(()))
    }

    impl Vector for Avx2 {
        #[inline(always)]
        fn look(self, line: &Line, key_bits: u64, tags: [u64; 2]) -> Look {
            // SAFETY: an `Avx2` exists only where the processor has AVX2.
            unsafe { look_avx2(line, key_bits, tags) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn look_avx2(line: &Line, key_bits: u64, [even, odd]: [u64; 2]) -> Look {
        let (low, high): (__m256i, __m256i);
        // SAFETY: the code reads the 64 aligned bytes of the line, which all other code accesses atomically, and writes
        // two registers.
        unsafe {
            asm!("vmovdqa {low}, [{line}]", "vmovdqa {high}, [{line} + 32]", low = out(ymm_reg) low,
                high = out(ymm_reg) high, line = in(reg) &raw const line.0,
                options(nostack, readonly, preserves_flags));
        }
        let mark = _mm256_set1_epi64x(MARK as i64);
        let masks = |words: __m256i, tag: u64| {
            let mask = |wide: __m256i| _mm256_movemask_pd(_mm256_castsi256_pd(wide)) as u8;
            let tag_bits = _mm256_set1_epi64x(TAG_BITS as i64);
            let wanted = _mm256_set1_epi64x((key_bits | tag) as i64);
            [
                mask(_mm256_cmpeq_epi64(_mm256_andnot_si256(mark, words), wanted)),
                mask(_mm256_cmpeq_epi64(_mm256_and_si256(words, tag_bits), _mm256_set1_epi64x(tag as i64))),
                mask(_mm256_cmpeq_epi64(_mm256_and_si256(words, mark), mark)),
            ]
        };
        let (low_masks, high_masks) = (masks(low, even), masks(high, odd));
        let [equal, live, marked] = [0, 1, 2].map(|index| low_masks[index] | high_masks[index] << 4);
        // SAFETY: both types are 64 bytes without any invalid value.
        Look::new(unsafe { std::mem::transmute::<[__m256i; 2], [u64; 8]>([low, high]) }, equal, live, marked)
    }

    #[cfg(test)]
    mod tests {
        use super::super::super::line::{KEY_BITS, LINE_CELLS, NO_TAG, Portable};
        use super::*;
        use proptest::prelude::*;
        use std::sync::atomic::AtomicU64;

        /// What a claimant can learn from a look: whether a cell has the key, and for each half whether it is marked,
        /// and its first free cell.
        type Answers = (bool, [bool; 2], [Option<(usize, u64)>; 2]);

        fn answers(look: &Look) -> Answers {
            (look.has_key(), [0, 1].map(|half| look.is_marked(half)), [0, 1].map(|half| look.first_free(half)))
        }

        /// Few keys, all tags and marks, and words without any structure.
        fn word() -> impl Strategy<Value = u64> {
            prop_oneof![Just(0), (0_u64..4, 0_u64..16).prop_map(|(key, low)| key << 62 | key << 4 | low), any::<u64>()]
        }

        proptest! {
            #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

            #[test]
            fn every_vector_unit_gives_the_result_of_the_portable_look(
                words in prop::array::uniform8(word()),
                key in word(),
                tags in [1_u64..=NO_TAG, 1_u64..=NO_TAG],
            ) {
                let line = Line(words.map(AtomicU64::new));
                let key_bits = key & KEY_BITS;
                let portable = Portable.look(&line, key_bits, tags);
                let (has_key, marked, free) = answers(&portable);
                let of_half = |half: usize| (half * 4..half * 4 + 4).map(move |cell| (cell, words[cell]));
                let is_live = |half: usize, word: u64| word & TAG_BITS == tags[half];
                let equal = (0..LINE_CELLS).any(|cell| words[cell] & !MARK == key_bits | tags[cell / 4]);
                prop_assert_eq!(has_key, equal);
                for half in 0..2 {
                    if tags[half] != NO_TAG {
                        prop_assert_eq!(free[half], of_half(half).find(|(_, word)| !is_live(half, *word)));
                    }
                    let has_mark = |(_, word)| is_live(half, word) && word & MARK != 0;
                    prop_assert_eq!(marked[half], of_half(half).any(has_mark));
                }
                prop_assert_eq!(portable.has_mark(), marked[0] || marked[1]);
                let same = |look: &Look| {
                    let (other_key, other_marked, other_free) = answers(look);
                    let is_free_equal = |half: usize| tags[half] == NO_TAG || other_free[half] == free[half];
                    (other_key, other_marked) == (has_key, marked) && is_free_equal(0) && is_free_equal(1)
                };
                if is_x86_feature_detected!("avx2") {
                    prop_assert!(same(&Avx2(()).look(&line, key_bits, tags)));
                }
            }
        }
    }
}
