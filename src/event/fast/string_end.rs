//! The search for the end of a string.

use super::simd::{BLOCK_BYTES, Simd};
use std::hint::cold_path;

/// The expected end of a string.
///
/// If the string ends there, the result is a number that was known before the search. The processor predicts that
/// branch and continues; otherwise it would have to wait for the vector unit before it knows the next position to read.
#[derive(Clone, Copy)]
pub(super) struct StringEnd {
    len: usize,
    /// The start of the block that contains the end.
    block_start: usize,
    /// The bit of the end in its block.
    bit: u32,
}

impl StringEnd {
    /// No expectation.
    pub(super) const UNKNOWN: Self = Self { len: 0, block_start: 0, bit: 0 };

    /// The string is expected to have `len` bytes.
    pub(super) fn after(len: usize) -> Self {
        Self { len, block_start: len / BLOCK_BYTES * BLOCK_BYTES, bit: 1 << (len % BLOCK_BYTES) }
    }

    /// The position of the first byte of `text` that a string cannot contain unescaped, if there is one.
    #[inline(always)]
    pub(super) fn find<S: Simd>(self, simd: S, text: &[u8]) -> Option<usize> {
        let (mut rest, mut at) = (text, 0);
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK_BYTES>() {
            let specials = simd.special_bytes(block);
            if specials != 0 {
                if at == self.block_start && specials & specials.wrapping_neg() == self.bit {
                    return Some(self.len);
                }
                // Without this hint the compiler merges the two results into one conditional move, which waits for the
                // vector unit after all.
                cold_path();
                return Some(at + specials.trailing_zeros() as usize);
            }
            (rest, at) = (after, at + BLOCK_BYTES);
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        Some(at + rest.iter().position(is_special)?)
    }
}
