//! How much room a journal has: its own bound, and the free space of the disk.

use std::io;

use super::store::cost;
use crate::limits::{
    JOURNAL_COMMIT_OVERHEAD_BYTES, JOURNAL_ENTRY_BYTES_MAX, JOURNAL_FREE_BYTES_MIN, JOURNAL_FREE_BYTES_NECESSARY_MIN,
    JOURNAL_ORDINARY_PERCENT,
};

/// How much an entry is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The entry can be refused.
    Ordinary,
    /// The journal cannot go on without the entry for long: without it, nothing is trimmed. So it has room in a journal
    /// of any size.
    Necessary,
}

impl Need {
    /// The live bytes that the journal may have with the entry.
    fn live_bytes_max(self, max_bytes: u64) -> u64 {
        match self {
            Self::Ordinary => max_bytes / 100 * JOURNAL_ORDINARY_PERCENT,
            Self::Necessary => u64::MAX,
        }
    }

    /// The free bytes of the disk that the entry must leave.
    fn free_bytes_min(self) -> u64 {
        match self {
            Self::Ordinary => JOURNAL_FREE_BYTES_MIN,
            Self::Necessary => JOURNAL_FREE_BYTES_NECESSARY_MIN,
        }
    }
}

/// How much room a journal has.
#[derive(Debug)]
pub(super) struct Space {
    max_bytes: u64,
    /// The free bytes of the disk before the last entry. None before the first entry.
    free_bytes: Option<u64>,
}

impl Space {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, free_bytes: None }
    }

    /// The free bytes of the disk before the last entry.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Whether the journal has room for an entry of `len` bytes beside its live bytes. `free_bytes` asks the disk. That
    /// is cheap beside a commit, so each entry asks: other programs fill the disk, too. A disk that does not say how
    /// much is free has room: if it has none, the commit fails.
    pub(super) fn has_room(
        &mut self,
        live_bytes: u64,
        len: usize,
        need: Need,
        free_bytes: impl FnOnce() -> io::Result<u64>,
    ) -> bool {
        if len > JOURNAL_ENTRY_BYTES_MAX {
            return false;
        }
        if live_bytes.saturating_add(cost(len)) > need.live_bytes_max(self.max_bytes) {
            return false;
        }
        self.free_bytes = free_bytes().ok();
        self.free_bytes.is_none_or(|free| free >= need.free_bytes_min() + written(len))
    }
}

/// The most bytes that a commit of an entry writes. A leaf page has a power of two of bytes, so up to twice the entry.
fn written(len: usize) -> u64 {
    2 * len as u64 + JOURNAL_COMMIT_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_largest_size() {
        let mut space = Space::new(1 << 44);
        let mut has_room = |len| space.has_room(0, len, Need::Necessary, || Ok(u64::MAX / 2));
        assert!(has_room(JOURNAL_ENTRY_BYTES_MAX));
        assert!(!has_room(JOURNAL_ENTRY_BYTES_MAX + 1));
    }

    #[test]
    fn a_disk_that_does_not_answer_has_room() {
        let mut space = Space::new(1 << 44);
        assert!(space.has_room(0, 1, Need::Ordinary, || Err(io::ErrorKind::Unsupported.into())));
        assert_eq!(space.free_bytes(), None);
        assert!(!space.has_room(0, 1, Need::Ordinary, || Ok(0)));
    }
}
