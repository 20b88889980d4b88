//! Eight bytes at a time in a general register, for processors without a known vector unit.

use super::unit::{self, BLOCK_BYTES, Block, LANES, Simd, words};

#[derive(Clone, Copy)]
pub(super) struct Swar;

/// A word of eight equal bytes.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const LOW_SEVEN: u64 = splat(0x7f);

impl Simd for Swar {
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
        mask(words(block).map(|word| {
            let is_quote = is_zero(word ^ splat(b'"'));
            let is_backslash = is_zero(word ^ splat(b'\\'));
            is_quote | is_backslash | is_zero(word & splat(0xe0))
        }))
    }

    #[inline(always)]
    fn equal_bytes(self, a: &Block, b: &Block) -> u32 {
        let (a, b) = (words(a), words(b));
        mask([0, 1, 2, 3].map(|i| is_zero(a[i] ^ b[i])))
    }
}

/// The top bit of each zero byte. No carry leaves a byte, so a byte does not change the result of its neighbour.
fn is_zero(word: u64) -> u64 {
    !(((word & LOW_SEVEN) + LOW_SEVEN) | word | LOW_SEVEN)
}

/// The top bits of all bytes, one bit each.
fn mask(tops: [u64; 4]) -> u32 {
    // The product moves the bit of byte i from position 8 i to position 56 + i. No two bits overlap on the way.
    let gather = |tops: u64| (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    tops.iter().rev().fold(0, |mask, tops| mask << 8 | gather(*tops) as u32)
}
