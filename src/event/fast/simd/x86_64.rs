//! The units of x86-64 processors: AVX2 where the processor has it, with the instructions of AVX-512 where it has
//! those, and SSE2.
#![allow(
    unsafe_code,
    reason = "vector loads and calls of functions that are compiled for a unit; each block has its own reason"
)]

use super::unit::{self, BLOCK_BYTES, Block, LANES, Simd, SimdTask, U64x4};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpeq_epi64, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_set1_epi64x,
    _mm256_setr_epi64x, _mm256_sllv_epi64, _mm256_srlv_epi64, _mm256_storeu_si256, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

const QUOTE: i8 = b'"' as i8;
const BACKSLASH: i8 = b'\\' as i8;
const LAST_CONTROL: i8 = 0x1f;

/// AVX2, on a processor that also has BMI. With `HAS_AVX512`, the same code is compiled for AVX-512, too. The compiler
/// then rotates by one instruction instead of three, and compares into mask registers. Only [`detect`](Self::detect)
/// makes a value of this type.
#[derive(Clone, Copy)]
pub(super) struct Avx2<const HAS_AVX512: bool>(());

impl<const HAS_AVX512: bool> Avx2<HAS_AVX512> {
    pub(super) fn detect() -> Option<Self> {
        let has_avx2 =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        (has_avx2 && (has_avx512 || !HAS_AVX512)).then_some(Self(()))
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2,avx512f,avx512vl,avx512bw,avx512dq")]
    fn run_with_avx512<T: SimdTask>(self, task: T) -> T::Output {
        task.run(self)
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn run_with_avx2<T: SimdTask>(self, task: T) -> T::Output {
        task.run(self)
    }
}

impl<const HAS_AVX512: bool> Simd for Avx2<HAS_AVX512> {
    type Words = Avx2Words;

    #[inline(always)]
    fn words(self, lanes: [u64; LANES]) -> Avx2Words {
        // SAFETY: the only condition is that the processor has AVX2, and `detect` has checked that.
        Avx2Words(unsafe { words_avx2(lanes) })
    }

    #[inline(always)]
    fn transpose(self, blocks: [&Block; LANES]) -> [Avx2Words; BLOCK_BYTES / 8] {
        // SAFETY: as above.
        unsafe { transpose_avx2(blocks) }.map(Avx2Words)
    }

    fn run<T: SimdTask>(self, task: T) -> T::Output {
        if HAS_AVX512 {
            // SAFETY: the only condition is that the processor has the features, and `detect` has checked that.
            return unsafe { self.run_with_avx512(task) };
        }
        // SAFETY: as above.
        unsafe { self.run_with_avx2(task) }
    }

    #[inline(always)]
    fn special_bytes(self, block: &Block) -> u32 {
        // SAFETY: the only condition is that the processor has AVX2, and `detect` has checked that.
        unsafe { special_bytes_avx2(block) }
    }

    #[inline(always)]
    fn equal_bytes(self, a: &Block, b: &Block) -> u32 {
        // SAFETY: as above.
        unsafe { equal_bytes_avx2(a, b) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn special_bytes_avx2(block: &Block) -> u32 {
    let bytes = load_avx2(block);
    let is_quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(QUOTE));
    let is_backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(BACKSLASH));
    let is_control = _mm256_cmpeq_epi8(bytes, _mm256_min_epu8(bytes, _mm256_set1_epi8(LAST_CONTROL)));
    let is_special = _mm256_or_si256(_mm256_or_si256(is_quote, is_backslash), is_control);
    _mm256_movemask_epi8(is_special).cast_unsigned()
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose_avx2([a, b, c, d]: [&Block; LANES]) -> [__m256i; BLOCK_BYTES / 8] {
    let [a, b, c, d] = [load_avx2(a), load_avx2(b), load_avx2(c), load_avx2(d)];
    // Words 0 and 2, then 1 and 3, of the first two blocks, and of the last two.
    let (ab_even, ab_odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (cd_even, cd_odd) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    // 0x20 takes the low halves of both, 0x31 the high halves.
    [
        _mm256_permute2x128_si256::<0x20>(ab_even, cd_even),
        _mm256_permute2x128_si256::<0x20>(ab_odd, cd_odd),
        _mm256_permute2x128_si256::<0x31>(ab_even, cd_even),
        _mm256_permute2x128_si256::<0x31>(ab_odd, cd_odd),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal_bytes_avx2(a: &Block, b: &Block) -> u32 {
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(load_avx2(a), load_avx2(b))).cast_unsigned()
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_avx2(block: &Block) -> __m256i {
    // SAFETY: the address refers to 32 initialised bytes, and this load needs no alignment.
    unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
}

/// Four words in an AVX2 register. Only an [`Avx2`] makes a value of this type.
#[derive(Clone, Copy)]
pub(super) struct Avx2Words(__m256i);

impl U64x4 for Avx2Words {
    #[inline(always)]
    fn lanes(self) -> [u64; LANES] {
        // SAFETY: the only condition is that the processor has AVX2, and an `Avx2` has made this value.
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
    fn equal(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_cmpeq_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_right(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_srlv_epi64(self.0, other.0) })
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
    // SAFETY: the address refers to 32 bytes of a local array, and this store needs no alignment.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), words) };
    lanes
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_avx2<const BITS: u32>(words: __m256i) -> __m256i {
    // The compiler turns constant counts into immediate operands.
    let up = _mm256_sllv_epi64(words, _mm256_set1_epi64x(i64::from(BITS)));
    let down = _mm256_srlv_epi64(words, _mm256_set1_epi64x(i64::from(u64::BITS - BITS)));
    _mm256_or_si256(up, down)
}

/// SSE2, which every x86-64 processor has.
#[derive(Clone, Copy)]
pub(super) struct Sse2;

impl Simd for Sse2 {
    type Words = [u64; LANES];

    #[inline(always)]
    fn words(self, lanes: [u64; LANES]) -> [u64; LANES] {
        lanes
    }

    #[inline(always)]
    fn transpose(self, blocks: [&Block; LANES]) -> [[u64; LANES]; BLOCK_BYTES / 8] {
        unit::transpose(blocks)
    }

    #[inline(always)]
    fn special_bytes(self, block: &Block) -> u32 {
        // SAFETY: the only condition is SSE2, which is part of x86-64.
        unsafe { special_bytes_sse2(block) }
    }

    #[inline(always)]
    fn equal_bytes(self, a: &Block, b: &Block) -> u32 {
        // SAFETY: as above.
        unsafe { equal_bytes_sse2(a, b) }
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn special_bytes_sse2(block: &Block) -> u32 {
    mask_sse2(load_sse2(block).map(|bytes| {
        let is_quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(QUOTE));
        let is_backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(BACKSLASH));
        let is_control = _mm_cmpeq_epi8(bytes, _mm_min_epu8(bytes, _mm_set1_epi8(LAST_CONTROL)));
        _mm_or_si128(_mm_or_si128(is_quote, is_backslash), is_control)
    }))
}

#[inline]
#[target_feature(enable = "sse2")]
fn equal_bytes_sse2(a: &Block, b: &Block) -> u32 {
    let ([a_low, a_high], [b_low, b_high]) = (load_sse2(a), load_sse2(b));
    mask_sse2([_mm_cmpeq_epi8(a_low, b_low), _mm_cmpeq_epi8(a_high, b_high)])
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_sse2(block: &Block) -> [__m128i; 2] {
    // SAFETY: the address refers to 32 initialised bytes; this load reads 16 of them and needs no alignment.
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
