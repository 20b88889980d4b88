//! The search for the end of a string.

use super::simd::{BLOCK_BYTES, Simd};
use super::text::Text;
use std::hint::cold_path;

/// The expected end of a string.
///
/// If the string ends there, the result is a number that was known before the search. The processor predicts that
/// branch and continues; otherwise it would have to wait for the vector unit before it knows the next position to read.
#[derive(Clone, Copy)]
pub(super) struct StringEnd {
    len: usize,
    /// The bit of the end in the first block of the string; zero if the end is in a later block.
    first_bit: u32,
    /// The same for the second block.
    second_bit: u32,
}

impl StringEnd {
    /// No expectation.
    pub(super) const UNKNOWN: Self = Self { len: 0, first_bit: 0, second_bit: 0 };

    /// The string is expected to have `len` bytes. Without effect for strings of two blocks or more.
    pub(super) fn after(len: usize) -> Self {
        let bit_of_block = |number| if len / BLOCK_BYTES == number { 1 << (len % BLOCK_BYTES) } else { 0 };
        Self { len, first_bit: bit_of_block(0), second_bit: bit_of_block(1) }
    }

    /// The position of the first byte of `text`, from `start` on, that a string cannot contain unescaped, if there is
    /// one.
    #[inline(always)]
    pub(super) fn find<S: Simd>(self, simd: S, text: Text<'_>, start: usize) -> Option<usize> {
        let mut expected_bit = self.first_bit;
        let mut at = start;
        while let Some(block) = text.block(at) {
            let specials = simd.special_bytes(block);
            if specials != 0 {
                if specials & specials.wrapping_neg() == expected_bit {
                    return Some(start + self.len);
                }
                // Without this hint the compiler merges the two results into one conditional move, which waits for the
                // vector unit after all.
                cold_path();
                return Some(at + specials.trailing_zeros() as usize);
            }
            expected_bit = if at == start { self.second_bit } else { 0 };
            at += BLOCK_BYTES;
        }
        Some(at + text.bytes.get(at..)?.iter().position(|byte| is_special(*byte))?)
    }
}

/// Whether a string cannot contain this byte unescaped.
pub(super) fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}
