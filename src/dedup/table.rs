//! A set that keys are put into and never taken out of, in lines of cells.
//!
//! The textbook insert-only set: a key's home is a line; cells are filled in order, line after line, and never emptied
//! while claimants use the table. So all claimants of a key walk the same cells and meet in the same first empty one,
//! where one compare-and-swap decides.

use crate::key::EventKey;
use crate::sync::Ordering;
use crate::sync::cells::{LINE_WORDS, Line, Lines};
use std::io;

/// Cells of every ten that may be filled: beyond that, the walk to an empty one gets long.
const FILLED_OF_TEN: usize = 8;

pub(crate) struct Table {
    lines: Lines,
}

impl Table {
    /// A table for `keys` keys: at least a fifth of its cells stays empty, so every walk ends.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub(crate) fn new(keys: usize) -> io::Result<Self> {
        let lines = lines_for(keys).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { lines: Lines::new(lines)? })
    }

    /// What a table for so many keys takes.
    pub(crate) fn bytes_for(keys: usize) -> usize {
        lines_for(keys).unwrap_or(usize::MAX).saturating_mul(size_of::<Line>())
    }

    /// Puts the key in; whether it was not there yet. Of all calls with one key exactly one is told so.
    ///
    /// The caller has made sure that an empty cell is left.
    #[inline]
    pub(crate) fn insert(&self, key: EventKey) -> bool {
        let (mut at, key) = self.home(key);
        loop {
            let line = self.lines.line(at);
            let look = line.look(key);
            if look.has_word() {
                return false;
            }
            match look.first_zero() {
                None => at = self.after(at),
                Some(cell) => {
                    // Relaxed: a cell is its own message, and goes from empty to one key once; whichever order two
                    // claimants come in, the swap of the first empty cell has one winner. The loser looks again, and finds
                    // there what won. That a *later phase* sees what an earlier one has filled is the phases' duty.
                    if line.0[cell].compare_exchange(EMPTY, key, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                        return true;
                    }
                }
            }
        }
    }

    /// Whether the key is there.
    #[inline]
    pub(crate) fn contains(&self, key: EventKey) -> bool {
        let (mut at, key) = self.home(key);
        loop {
            let look = self.lines.line(at).look(key);
            if look.has_word() || look.first_zero().is_some() {
                return look.has_word();
            }
            at = self.after(at);
        }
    }

    /// Asks for the key's home ahead of its use.
    #[inline]
    pub(crate) fn prefetch(&self, key: EventKey) {
        self.lines.prefetch(self.home(key).0);
    }

    /// Empties the table, which nobody uses, and gives its memory back.
    pub(crate) fn clear(&self) {
        self.lines.clear();
    }

    /// Makes an empty table's memory available before it is used.
    pub(crate) fn populate(&self) {
        self.lines.populate();
    }

    /// The home line, and what is kept of the key. The line comes from the other half of the hash than the kept bits, so
    /// two keys that share a cell's value in reach of each other are two in 2^64 / cells walked.
    #[inline(always)]
    fn home(&self, key: EventKey) -> (usize, u64) {
        let [for_line, kept] = key.0;
        // The high word of the product spreads the hash over any number of lines (Lemire, "Fast random integer generation
        // in an interval", 2019).
        let line = ((u128::from(for_line) * self.lines.len() as u128) >> 64) as usize;
        (line, kept.max(1))
    }

    #[inline(always)]
    fn after(&self, line: usize) -> usize {
        if line + 1 == self.lines.len() { 0 } else { line + 1 }
    }
}

fn lines_for(keys: usize) -> Option<usize> {
    let cells = keys.checked_mul(10)? / FILLED_OF_TEN + 1;
    Some(cells.div_ceil(LINE_WORDS))
}

/// What an empty cell holds; a key whose kept half is this is kept as 1.
const EMPTY: u64 = 0;
