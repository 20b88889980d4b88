//! The text between two values of an event.

use super::simd::{BLOCK_BYTES, Block, Simd};
use super::text::Text;
use std::hint::cold_path;
use std::ops::Range;

/// The longest separator.
const SEPARATOR_BYTES_MAX: usize = 256;

/// The text between two values of an event, or before the first or after the last one: names, quotes, brackets, commas
/// and white space.
#[derive(Clone, Copy)]
pub(super) struct Separator {
    /// The separator and what follows it in the text where it was read first.
    block: Block,
    /// The bits of the bytes of `block` that belong to the separator.
    bits: u32,
    len: usize,
    /// Where it was read first.
    start: usize,
}

impl Separator {
    pub(super) const EMPTY: Self = Self { block: [0; BLOCK_BYTES], bits: 0, len: 0, start: 0 };

    /// The separator from `start` to `end`. `None` if it is too long, or too near the end of `text` for a block.
    #[inline(always)]
    pub(super) fn of(text: Text<'_>, start: usize, end: usize) -> Option<Self> {
        let len = end - start;
        let bits = if len < BLOCK_BYTES { (1 << len) - 1 } else { u32::MAX };
        (len <= SEPARATOR_BYTES_MAX).then_some(Self { block: *text.block(start)?, bits, len, start })
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where the separator was read first.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// Whether `block` begins with this separator, which is not longer than a block.
    #[inline(always)]
    pub(super) fn is_start_of<S: Simd>(&self, simd: S, block: &Block) -> bool {
        self.bits & !simd.equal_bytes(&self.block, block) == 0
    }

    /// The position after this separator, if it is at `at`. `text` is the text where it was read first.
    #[inline(always)]
    pub(super) fn skip<S: Simd>(&self, simd: S, text: Text<'_>, at: usize) -> Option<usize> {
        if !self.is_start_of(simd, text.block(at)?) {
            return None;
        }
        if self.len > BLOCK_BYTES {
            cold_path();
            let (first, other) = (text.bytes.get(self.start..)?, text.bytes.get(at..)?);
            if first.get(..self.len)? != other.get(..self.len)? {
                return None;
            }
        }
        Some(at + self.len)
    }
}
