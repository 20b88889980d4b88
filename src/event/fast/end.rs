//! Where a string ends.

use super::vector::{BLOCK_BYTES, Vector};
use std::hint::cold_path;

/// Where a string is expected to end.
///
/// Where it does, the answer is a number that was known before. The processor predicts that branch and goes on, where it
/// would otherwise wait for the vector unit's answer before it knew where to read next.
#[derive(Clone, Copy)]
pub(super) struct End {
    len: usize,
    /// The start of the block that the end is in.
    block_start: usize,
    /// The bit of the end in its block.
    bit: u32,
}

impl End {
    /// Nowhere in particular.
    pub(super) const ANYWHERE: Self = Self { len: 0, block_start: 0, bit: 0 };

    /// After so many bytes.
    pub(super) fn after(len: usize) -> Self {
        Self { len, block_start: len / BLOCK_BYTES * BLOCK_BYTES, bit: 1 << (len % BLOCK_BYTES) }
    }

    /// Where the first byte of `text` is that cannot stand in a string as itself, if there is one.
    #[inline(always)]
    pub(super) fn find<V: Vector>(self, vector: V, text: &[u8]) -> Option<usize> {
        let (mut rest, mut at) = (text, 0);
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK_BYTES>() {
            let specials = vector.specials(block);
            if specials != 0 {
                if at == self.block_start && specials & specials.wrapping_neg() == self.bit {
                    return Some(self.len);
                }
                // Without this the two answers become one conditional move, which waits for the vector unit after all.
                cold_path();
                return Some(at + specials.trailing_zeros() as usize);
            }
            (rest, at) = (after, at + BLOCK_BYTES);
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        Some(at + rest.iter().position(is_special)?)
    }
}
