//! Which slots have news.

use crate::sync::{AtomicU64, Ordering};

/// One bit a slot: something was published here since the bits were last taken.
pub(crate) struct DirtyBits {
    words: Box<[AtomicU64]>,
}

impl DirtyBits {
    pub(crate) fn new(bits: usize) -> Self {
        Self { words: (0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Called after the publication. Always a read-modify-write: a writer that skipped it because the bit is set could
    /// have read a value that a `take` had replaced already, and its event would wait for the slot's next one.
    pub(crate) fn mark(&self, bit: usize) {
        // Release: pairs with the Acquire in `take`. If the take comes after, it sees the bit and then what was
        // published before it; if the take came first, the bit stays for the next one.
        self.words[bit / 64].fetch_or(1 << (bit % 64), Ordering::Release);
    }

    /// Takes all bits, word by word, before the slots are read.
    pub(crate) fn take(&self, mut set: impl FnMut(usize, u64)) {
        for (index, word) in self.words.iter().enumerate() {
            // Acquire: pairs with the Release in `mark`, both cases there.
            set(index, word.swap(0, Ordering::Acquire));
        }
    }
}
