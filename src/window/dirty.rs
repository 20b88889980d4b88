//! Bitmap of slots with unfolded records.

use crate::sync::{AtomicU64, Ordering};

/// One bit for each slot: set if a record was published in the slot since the bits were last taken.
pub(crate) struct DirtyBits {
    words: Box<[AtomicU64]>,
}

impl DirtyBits {
    pub(crate) fn new(bits: usize) -> Self {
        Self { words: (0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// No marks yet.
    pub(crate) fn marks(&self) -> Marks<'_> {
        Marks { words: &self.words, word: 0, bits: 0 }
    }

    /// Takes all bits, word by word, before the slots are read.
    pub(crate) fn take(&self, mut set: impl FnMut(usize, u64)) {
        for (index, word) in self.words.iter().enumerate() {
            // Acquire: pairs with the Release in `Marks::set`, where both outcomes are described.
            set(index, word.swap(0, Ordering::Acquire));
        }
    }
}

/// Marks that are set together where they are in one word. So a batch of a few seconds writes one word, once.
pub(crate) struct Marks<'d> {
    words: &'d [AtomicU64],
    word: usize,
    bits: u64,
}

impl Marks<'_> {
    /// Adds a bit whose slot's record is published. It is set at the latest in the drop.
    pub(crate) fn add(&mut self, bit: usize) {
        if self.word != bit / 64 {
            self.set();
            self.word = bit / 64;
        }
        self.bits |= 1 << (bit % 64);
    }

    /// Sets the bits after the publication.
    ///
    /// This is always a read-modify-write, also for bits that are set. A writer that skipped it could have read a value
    /// that a `take` has already replaced, and its event would wait for the next event of the slot.
    fn set(&mut self) {
        let bits = std::mem::take(&mut self.bits);
        if bits != 0 {
            // Release: pairs with the Acquire in `take`. If the take comes after, it sees the bits and the records that
            // were published before. If the take came first, the bits stay for the next take.
            self.words[self.word].fetch_or(bits, Ordering::Release);
        }
    }
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        self.set();
    }
}
