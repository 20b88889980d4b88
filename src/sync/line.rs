//! A line of cells, and a look at it: one cache line that holds the ids of two generations.
//!
//! Each generation has its own half of the line: even generations the first half, odd generations the second half. A
//! cell is one word: bits of a key, a mark, and the tag of a generation. A cell that was never filled is zero.

use super::{AtomicU64, HALF_CELLS, Ordering};

/// The number of cells in a line.
pub(crate) const LINE_CELLS: usize = 2 * HALF_CELLS;

/// The bits of a cell that hold the tag of a generation. No generation has the tag zero.
pub(crate) const TAG_BITS: u64 = 7;

/// The bit of a cell that says: ids of this half and this generation went on to the next place.
pub(crate) const MARK: u64 = 8;

/// A tag that no cell has, for a half that a look does not concern.
pub(crate) const NO_TAG: u64 = MARK;

/// The bits of a cell that hold bits of a key.
pub(crate) const KEY_BITS: u64 = !(MARK | TAG_BITS);

/// One cache line of cells.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_CELLS]);

/// What a look at a line has found. Bit `n` of a mask stands for cell `n`. Each cell was loaded once, Relaxed, in any
/// order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    words: [u64; LINE_CELLS],
    /// Live cells with the key.
    equal: u8,
    /// Cells with the tag of their half.
    live: u8,
    /// Live cells with a mark.
    marked: u8,
}

/// A way to look at a line.
pub(crate) trait Vector: Copy {
    /// Looks for a cell with these bits of a key and the tag of its half. `tags` has the tag of each half.
    fn look(self, line: &Line, key_bits: u64, tags: [u64; 2]) -> Look;
}

/// Looks at one cell after the other. It does not load a half that has no tag.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Vector for Portable {
    #[inline(always)]
    fn look(self, line: &Line, key_bits: u64, tags: [u64; 2]) -> Look {
        let mut look = Look { words: [0; LINE_CELLS], equal: 0, live: 0, marked: 0 };
        for (cell, word) in line.0.iter().enumerate() {
            let tag = tags[cell / HALF_CELLS];
            if tag == NO_TAG {
                continue;
            }
            let word = word.load(Ordering::Relaxed);
            look.words[cell] = word;
            look.equal |= u8::from(word & !MARK == key_bits | tag) << cell;
            look.live |= u8::from(word & TAG_BITS == tag) << cell;
            look.marked |= u8::from(word & TAG_BITS == tag && word & MARK != 0) << cell;
        }
        look
    }
}

impl Look {
    /// A look whose masks are already computed. `marked` may include cells that are not live.
    #[inline(always)]
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only vector units use it"))]
    pub(crate) fn new(words: [u64; LINE_CELLS], equal: u8, live: u8, marked: u8) -> Self {
        Self { words, equal, live, marked: marked & live }
    }

    /// Whether a live cell has the key.
    #[inline(always)]
    pub(crate) fn has_key(&self) -> bool {
        self.equal != 0
    }

    /// Whether a live cell has a mark.
    #[inline(always)]
    pub(crate) fn has_mark(&self) -> bool {
        self.marked != 0
    }

    /// Whether a live cell of the half has a mark.
    #[inline(always)]
    pub(crate) fn is_marked(&self, half: usize) -> bool {
        self.marked & mask(half) != 0
    }

    /// The first cell of the half that is not live, and the word that was judged.
    #[inline(always)]
    pub(crate) fn first_free(&self, half: usize) -> Option<(usize, u64)> {
        let free = !self.live & mask(half);
        (free != 0).then(|| {
            let cell = free.trailing_zeros() as usize;
            (cell, self.words[cell])
        })
    }
}

/// The cells of a half.
#[inline(always)]
fn mask(half: usize) -> u8 {
    (((1 << HALF_CELLS) - 1) << (half * HALF_CELLS)) as u8
}
