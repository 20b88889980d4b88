//! The ids of four events, as they are hashed.

use super::simd::{BLOCK_BYTES, Block, LANES};
use super::text::Text;
use crate::limits::ID_BYTES;

/// The blocks of the longest id. The last word of an id holds its length, and is there even if it has no byte of the
/// id.
const ID_BLOCKS: usize = *ID_BYTES.end() / BLOCK_BYTES + 1;

/// A valid id in each lane.
pub(super) struct IdLanes {
    /// The blocks of the ids: first the first block of each lane. After its end, an id is followed by any bytes.
    pub(super) blocks: [[Block; LANES]; ID_BLOCKS],
    /// In bytes.
    pub(super) lens: [u64; LANES],
}

impl IdLanes {
    /// Sets an id: the part of `text` from `start` on with this length.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, text: Text<'_>, start: usize, len: usize) {
        for (number, blocks) in self.blocks.iter_mut().enumerate().take(len.div_ceil(BLOCK_BYTES)) {
            blocks[lane] = *text.block_or_rest(start + number * BLOCK_BYTES, &mut [0; BLOCK_BYTES]);
        }
        self.lens[lane] = len as u64;
    }

    /// Gives the lanes from `len` on the length of the first one, so that they need no rounds of their own.
    pub(super) fn end_at(&mut self, len: usize) {
        let first = self.lens[0];
        self.lens[len..].fill(first);
    }
}

impl Default for IdLanes {
    fn default() -> Self {
        Self { blocks: [[[0; BLOCK_BYTES]; LANES]; ID_BLOCKS], lens: [0; LANES] }
    }
}
