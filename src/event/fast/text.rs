//! A text that is read in blocks.
#![allow(unsafe_code, reason = "a block whose place is checked by one comparison")]

use super::simd::{BLOCK_BYTES, Block};
use crate::event::batch::Span;

/// A text, and the positions at which it has a whole block.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) bytes: &'t [u8],
    /// The number of positions, from 0 on, at which a whole block begins.
    blocks: usize,
}

impl<'t> Text<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, blocks: (bytes.len() + 1).saturating_sub(BLOCK_BYTES) }
    }

    /// The block at `at`, if there is a whole one. One comparison: a slice of a slice would need three.
    #[inline(always)]
    pub(super) fn block(self, at: usize) -> Option<&'t Block> {
        if at >= self.blocks {
            return None;
        }
        // SAFETY: `at < blocks`, and so `at + BLOCK_BYTES <= bytes.len()`: the address is inside the text, or at its
        // end if blocks have no bytes.
        let start = unsafe { self.bytes.as_ptr().add(at) };
        // SAFETY: the `BLOCK_BYTES` bytes from there on are inside the text, which lives for 't and is not changed
        // meanwhile. A block has the alignment of a byte.
        Some(unsafe { &*start.cast::<Block>() })
    }

    /// The block at `at`; where the text ends earlier, zeros follow.
    #[inline(always)]
    pub(super) fn padded_block(self, at: usize) -> Block {
        self.block(at).map_or_else(|| padded(self.bytes.get(at..).unwrap_or_default()), |block| *block)
    }

    /// The part of the text at `span`.
    #[inline(always)]
    pub(super) fn part(self, span: Span) -> Option<&'t [u8]> {
        self.bytes.get(span.start as usize..)?.get(..span.len as usize)
    }
}

/// The first block of `bytes`; where they end earlier, zeros follow.
#[cold]
pub(super) fn padded(bytes: &[u8]) -> Block {
    let mut block = [0; BLOCK_BYTES];
    let len = bytes.len().min(BLOCK_BYTES);
    block[..len].copy_from_slice(&bytes[..len]);
    block
}
