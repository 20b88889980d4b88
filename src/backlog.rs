//! How many records wait to be folded.

use crate::sync::{AtomicUsize, Ordering};

/// Records that are published, or about to be, and not folded. A bound and a gauge: it orders nothing, so every access
/// is Relaxed. Room is reserved before the publication, so it is never subtracted below zero.
pub(crate) struct Backlog {
    records: AtomicUsize,
    records_max: usize,
}

impl Backlog {
    /// Nothing waits yet; never more than `records_max` do.
    pub(crate) fn new(records_max: usize) -> Self {
        Self { records: AtomicUsize::new(0), records_max }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Makes room for all of the records, or for none.
    pub(crate) fn reserve(&self, records: usize) -> bool {
        let room = |before: usize| before.checked_add(records).filter(|after| *after <= self.records_max);
        self.records.try_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    /// Gives back room that was reserved: the records are folded, or there were none after all.
    pub(crate) fn subtract(&self, records: usize) {
        self.records.fetch_sub(records, Ordering::Relaxed);
    }
}
