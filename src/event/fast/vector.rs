//! The vector unit: questions about 32 bytes of a body at a time, and arithmetic on four words.
//!
//! All `unsafe` of the fast path is here: vector loads, and calls of functions that are compiled for AVX2.
#![allow(
    unsafe_code,
    reason = "vector loads and calls into functions for a wider instruction set; each block says why"
)]

/// Bytes that one question is about.
pub(super) const BLOCK_BYTES: usize = 32;

pub(super) type Block = [u8; BLOCK_BYTES];

/// Words that the same is done to at once.
pub(super) const LANES: usize = 4;

/// A vector unit that this processor has.
///
/// The answer to a question about a block has one bit for each byte, the lowest for the first byte.
pub(super) trait Vector: Copy {
    type Words: Words;

    fn words(self, lanes: [u64; LANES]) -> Self::Words;

    /// Does work that is too rare to be inlined where it is asked for.
    #[inline(never)]
    fn run<W: Work>(self, work: W) -> W::Output {
        work.run(self)
    }

    /// Which bytes cannot stand in a JSON string as themselves: `"`, `\` and the control characters below 0x20.
    fn specials(self, block: &Block) -> u32;

    /// Which bytes are the same in both blocks.
    fn matches(self, a: &Block, b: &Block) -> u32;
}

/// Four words in the vector unit.
pub(super) trait Words: Copy {
    fn lanes(self) -> [u64; LANES];
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    /// To the left, by less than 64 and more than no bits.
    fn rotate<const BITS: u32>(self) -> Self;
}

impl Words for [u64; LANES] {
    #[inline(always)]
    fn lanes(self) -> [u64; LANES] {
        self
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| u64::wrapping_add(self[lane], other[lane]))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane] ^ other[lane])
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane] & other[lane])
    }

    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        self.map(|word| word.rotate_left(BITS))
    }
}

/// Work that is compiled once for each vector unit.
pub(super) trait Work {
    /// What comes of it.
    type Output;

    /// Does the work. To be `#[inline(always)]` all the way down to the [`Vector`], so that it is compiled for its unit.
    fn run<V: Vector>(self, vector: V) -> Self::Output;
}

/// Does `work` with the widest vectors that this processor is known to have.
pub(super) fn with_vectors<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx2) = x86_64::Avx2::detect() {
            return avx2.run(work);
        }
        x86_64::Sse2.run(work)
    }
    #[cfg(not(target_arch = "x86_64"))]
    Swar.run(work)
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::{BLOCK_BYTES, Block, LANES, Vector, Words, Work};
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_setr_epi64x,
        _mm256_sllv_epi64, _mm256_srlv_epi64, _mm256_storeu_si256, _mm256_xor_si256,
    };

    const QUOTE: i8 = b'"' as i8;
    const BACKSLASH: i8 = b'\\' as i8;
    const LAST_CONTROL: i8 = 0x1f;

    /// A processor with AVX2 and BMI; there is no other way to get one of these than [`detect`](Self::detect).
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    impl Avx2 {
        pub(super) fn detect() -> Option<Self> {
            let has_all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2");
            has_all.then_some(Self(()))
        }

        #[inline(never)]
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn run_compiled_for_it<W: Work>(self, work: W) -> W::Output {
            work.run(self)
        }
    }

    impl Vector for Avx2 {
        type Words = Avx2Words;

        #[inline(always)]
        fn words(self, lanes: [u64; LANES]) -> Avx2Words {
            // SAFETY: the one condition is that the processor has AVX2, and `detect` has seen it.
            Avx2Words(unsafe { words_avx2(lanes) })
        }

        fn run<W: Work>(self, work: W) -> W::Output {
            // SAFETY: the one condition is that the processor has the features, and `detect` has seen them.
            unsafe { self.run_compiled_for_it(work) }
        }

        #[inline(always)]
        fn specials(self, block: &Block) -> u32 {
            // SAFETY: the one condition is that the processor has AVX2, and `detect` has seen it.
            unsafe { specials_avx2(block) }
        }

        #[inline(always)]
        fn matches(self, a: &Block, b: &Block) -> u32 {
            // SAFETY: as above.
            unsafe { matches_avx2(a, b) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn specials_avx2(block: &Block) -> u32 {
        let bytes = load_avx2(block);
        let is_quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(QUOTE));
        let is_backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(BACKSLASH));
        let is_control = _mm256_cmpeq_epi8(bytes, _mm256_min_epu8(bytes, _mm256_set1_epi8(LAST_CONTROL)));
        let is_special = _mm256_or_si256(_mm256_or_si256(is_quote, is_backslash), is_control);
        _mm256_movemask_epi8(is_special).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn matches_avx2(a: &Block, b: &Block) -> u32 {
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(load_avx2(a), load_avx2(b))).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_avx2(block: &Block) -> __m256i {
        // SAFETY: the address is that of 32 initialised bytes, and this load asks for no alignment.
        unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
    }

    /// Exists only where there is an [`Avx2`].
    #[derive(Clone, Copy)]
    pub(super) struct Avx2Words(__m256i);

    impl Words for Avx2Words {
        #[inline(always)]
        fn lanes(self) -> [u64; LANES] {
            // SAFETY: the one condition is that the processor has AVX2, and there was an `Avx2`.
            unsafe { lanes_avx2(self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_xor_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn and(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_and_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn rotate<const BITS: u32>(self) -> Self {
            // SAFETY: as above.
            Self(unsafe { rotate_avx2::<BITS>(self.0) })
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn words_avx2([a, b, c, d]: [u64; LANES]) -> __m256i {
        _mm256_setr_epi64x(a.cast_signed(), b.cast_signed(), c.cast_signed(), d.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lanes_avx2(words: __m256i) -> [u64; LANES] {
        let mut lanes = [0; LANES];
        // SAFETY: the address is that of 32 bytes that are ours, and this store asks for no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), words) };
        lanes
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate_avx2<const BITS: u32>(words: __m256i) -> __m256i {
        // Counts that are constants become part of the instructions.
        let up = _mm256_sllv_epi64(words, _mm256_set1_epi64x(i64::from(BITS)));
        let down = _mm256_srlv_epi64(words, _mm256_set1_epi64x(i64::from(u64::BITS - BITS)));
        _mm256_or_si256(up, down)
    }

    /// What every x86-64 processor has.
    #[derive(Clone, Copy)]
    pub(super) struct Sse2;

    impl Vector for Sse2 {
        type Words = [u64; LANES];

        #[inline(always)]
        fn words(self, lanes: [u64; LANES]) -> [u64; LANES] {
            lanes
        }

        #[inline(always)]
        fn specials(self, block: &Block) -> u32 {
            // SAFETY: the one condition is SSE2, which is part of x86-64.
            unsafe { specials_sse2(block) }
        }

        #[inline(always)]
        fn matches(self, a: &Block, b: &Block) -> u32 {
            // SAFETY: as above.
            unsafe { matches_sse2(a, b) }
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn specials_sse2(block: &Block) -> u32 {
        mask_sse2(load_sse2(block).map(|bytes| {
            let is_quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(QUOTE));
            let is_backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(BACKSLASH));
            let is_control = _mm_cmpeq_epi8(bytes, _mm_min_epu8(bytes, _mm_set1_epi8(LAST_CONTROL)));
            _mm_or_si128(_mm_or_si128(is_quote, is_backslash), is_control)
        }))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn matches_sse2(a: &Block, b: &Block) -> u32 {
        let ([a_low, a_high], [b_low, b_high]) = (load_sse2(a), load_sse2(b));
        mask_sse2([_mm_cmpeq_epi8(a_low, b_low), _mm_cmpeq_epi8(a_high, b_high)])
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load_sse2(block: &Block) -> [__m128i; 2] {
        // SAFETY: the address is that of 32 initialised bytes, and this load of 16 asks for no alignment.
        let low = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
        // SAFETY: as above, for the 16 bytes after the first 16.
        let high = unsafe { _mm_loadu_si128(block[BLOCK_BYTES / 2..].as_ptr().cast()) };
        [low, high]
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn mask_sse2([low, high]: [__m128i; 2]) -> u32 {
        (_mm_movemask_epi8(low) | _mm_movemask_epi8(high) << 16).cast_unsigned()
    }
}

/// Eight bytes at a time in a general register, for processors that have no vectors we know.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[derive(Clone, Copy)]
struct Swar;

#[cfg(any(test, not(target_arch = "x86_64")))]
mod swar {
    use super::{Block, LANES, Swar, Vector};

    /// A byte in all eight places.
    const fn everywhere(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }

    const LOW_SEVEN: u64 = everywhere(0x7f);

    impl Vector for Swar {
        type Words = [u64; LANES];

        #[inline(always)]
        fn words(self, lanes: [u64; LANES]) -> [u64; LANES] {
            lanes
        }

        #[inline(always)]
        fn specials(self, block: &Block) -> u32 {
            mask(words(block).map(|word| {
                let is_quote = is_zero(word ^ everywhere(b'"'));
                let is_backslash = is_zero(word ^ everywhere(b'\\'));
                is_quote | is_backslash | is_zero(word & everywhere(0xe0))
            }))
        }

        #[inline(always)]
        fn matches(self, a: &Block, b: &Block) -> u32 {
            let (a, b) = (words(a), words(b));
            mask([0, 1, 2, 3].map(|i| is_zero(a[i] ^ b[i])))
        }
    }

    fn words(block: &Block) -> [u64; 4] {
        let (words, _) = block.as_chunks::<8>();
        [0, 1, 2, 3].map(|i| u64::from_le_bytes(words[i]))
    }

    /// The top bit of each byte that is zero. No carry leaves a byte, so that no byte answers for its neighbour.
    fn is_zero(word: u64) -> u64 {
        !(((word & LOW_SEVEN) + LOW_SEVEN) | word | LOW_SEVEN)
    }

    /// The top bits of all bytes, together.
    fn mask(tops: [u64; 4]) -> u32 {
        // The product moves the bit of byte i, then at place 8 i, to place 56 + i; no two meet on the way.
        let gather = |tops: u64| (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        tops.iter().rev().fold(0, |mask, tops| mask << 8 | gather(*tops) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a vector unit answers, byte by byte.
    struct Answers<'b>(&'b Block, &'b Block);

    impl Work for Answers<'_> {
        type Output = (u32, u32);

        #[inline(always)]
        fn run<V: Vector>(self, vector: V) -> (u32, u32) {
            (vector.specials(self.0), vector.matches(self.0, self.1))
        }
    }

    fn bits(block: &Block, mut is_set: impl FnMut(usize, u8) -> bool) -> u32 {
        block.iter().enumerate().map(|(i, byte)| u32::from(is_set(i, *byte)) << i).sum()
    }

    fn assert_all_answer_alike(a: &Block, b: &Block) {
        let expected = (bits(a, |_, byte| matches!(byte, b'"' | b'\\' | 0..0x20)), bits(a, |i, byte| byte == b[i]));
        assert_eq!(Answers(a, b).run(Swar), expected);
        assert_eq!(with_vectors(Answers(a, b)), expected);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(Answers(a, b).run(x86_64::Sse2), expected);
    }

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for byte in 0..=255 {
            for place in 0..BLOCK_BYTES {
                for around in [b'a', b'!', b'#', b'"', 0x1f, 0x20, 0xff] {
                    let mut block = [around; BLOCK_BYTES];
                    block[place] = byte;
                    assert_all_answer_alike(&block, &[around; BLOCK_BYTES]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn all_units_answer_alike(a in any::<Block>(), b in any::<Block>(), low in any::<Block>()) {
            assert_all_answer_alike(&a, &b);
            assert_all_answer_alike(&low.map(|byte| byte & 0x3f), &a.map(|byte| byte & 0x3f));
        }
    }
}
