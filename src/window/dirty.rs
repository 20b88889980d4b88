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

    /// Sets a bit after the publication.
    ///
    /// This is always a read-modify-write, also for a bit that is set. A writer that skipped it could have read a value
    /// that a `take` has already replaced, and its event would wait for the next event of the slot.
    pub(crate) fn mark(&self, bit: usize) {
        // Release: pairs with the Acquire in `take`. If the take comes after, it sees the bit and the records that were
        // published before it. If the take came first, the bit stays for the next take.
        self.words[bit / 64].fetch_or(1 << (bit % 64), Ordering::Release);
    }

    /// Takes all bits, word by word, before the slots are read.
    pub(crate) fn take(&self, mut set: impl FnMut(usize, u64)) {
        for (index, word) in self.words.iter().enumerate() {
            // Acquire: pairs with the Release in `mark`, where both outcomes are described.
            set(index, word.swap(0, Ordering::Acquire));
        }
    }
}
