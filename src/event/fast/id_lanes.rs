//! The ids of four events, as they are hashed.

use super::simd::{BLOCK_BYTES, Block, LANES};
use super::text::Text;

/// Almost no id has more blocks than this.
const USUAL_BLOCKS: usize = 2;

/// A valid id in each lane.
#[derive(Default)]
pub(super) struct IdLanes {
    /// The first blocks of the ids, those of all lanes together. After its end, an id is followed by any bytes.
    usual: [[Block; LANES]; USUAL_BLOCKS],
    /// The blocks after them.
    others: Vec<[Block; LANES]>,
    /// In bytes.
    pub(super) lens: [u64; LANES],
}

impl IdLanes {
    /// Sets an id: the part of `text` from `start` on with this length.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, text: Text<'_>, start: usize, len: usize) {
        for number in 0..len.div_ceil(BLOCK_BYTES) {
            let block = *text.block_or_rest(start + number * BLOCK_BYTES, &mut [0; BLOCK_BYTES]);
            match self.usual.get_mut(number) {
                Some(blocks) => blocks[lane] = block,
                None => self.set_other(number - USUAL_BLOCKS, lane, block),
            }
        }
        self.lens[lane] = len as u64;
    }

    #[cold]
    fn set_other(&mut self, index: usize, lane: usize, block: Block) {
        if index == self.others.len() {
            self.others.push([[0; BLOCK_BYTES]; LANES]);
        }
        self.others[index][lane] = block;
    }

    /// The blocks of all ids, and at last one of any bytes. A hash reads it if a whole number of blocks is the longest
    /// id, and uses nothing of it.
    #[inline(always)]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[Block; LANES]> {
        self.usual.iter().chain(&self.others).chain(&self.usual[..1])
    }

    /// Gives the lanes from `len` on the length of the first one, so that they need no rounds of their own.
    pub(super) fn end_at(&mut self, len: usize) {
        let first = self.lens[0];
        self.lens[len..].fill(first);
    }
}
