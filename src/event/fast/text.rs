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

    /// The block at `at`. If the text ends earlier, the rest of it is in `padded`, and zeros follow.
    #[inline(always)]
    pub(super) fn block_or_rest<'b>(self, at: usize, padded: &'b mut Block) -> &'b Block
    where
        't: 'b,
    {
        match self.block(at) {
            Some(block) => block,
            None => {
                pad(self.bytes.get(at..).unwrap_or_default(), padded);
                padded
            }
        }
    }

    /// The part of the text at `span`.
    #[inline(always)]
    pub(super) fn part(self, span: Span) -> Option<&'t [u8]> {
        self.bytes.get(span.start as usize..)?.get(..span.len as usize)
    }
}

/// Writes the first bytes, and zeros where they end.
#[cold]
fn pad(bytes: &[u8], padded: &mut Block) {
    let len = bytes.len().min(BLOCK_BYTES);
    let (start, rest) = padded.split_at_mut(len);
    start.copy_from_slice(&bytes[..len]);
    rest.fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_blocks_that_are_whole() {
        let bytes: Vec<u8> = (0..70).collect();
        for len in 0..=bytes.len() {
            let text = Text::new(&bytes[..len]);
            for at in (0..80).chain([usize::MAX - 1, usize::MAX]) {
                let expected = bytes[..len].get(at..).and_then(<[u8]>::first_chunk);
                assert_eq!(text.block(at), expected, "{at} of {len}");
                let rest = bytes[..len].get(at..).unwrap_or_default();
                let mut padded = [0xff; BLOCK_BYTES];
                let block = text.block_or_rest(at, &mut padded);
                let bytes_left = rest.len().min(BLOCK_BYTES);
                assert_eq!(block[..bytes_left], rest[..bytes_left]);
                assert!(block[bytes_left..].iter().all(|byte| *byte == 0));
            }
        }
    }
}
