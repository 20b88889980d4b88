//! A counting semaphore without waiters.

use crate::sync::{AtomicUsize, Ordering};

/// A bounded number of permits. A caller acquires permits before it makes the things that they stand for, and releases
/// the permits after these things are gone.
///
/// The count is a bound and a gauge. It orders no other memory, so every access is Relaxed. A call for no permits does
/// not write: writers on other threads share the cache line.
pub(crate) struct Permits {
    in_use: AtomicUsize,
    capacity: usize,
}

impl Permits {
    /// `capacity` permits, all of them free.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { in_use: AtomicUsize::new(0), capacity }
    }

    /// The number of permits in use.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Whether no permit is free.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.in_use() >= self.capacity
    }

    /// Acquires all of `permits`, or none of them; returns whether they are acquired.
    pub(crate) fn try_acquire(&self, permits: usize) -> bool {
        let after = |before: usize| before.checked_add(permits).filter(|after| *after <= self.capacity);
        self.in_use.try_update(Ordering::Relaxed, Ordering::Relaxed, after).is_ok()
    }

    /// Counts permits as acquired, whatever the capacity.
    pub(crate) fn add(&self, permits: usize) {
        if permits > 0 {
            self.in_use.fetch_add(permits, Ordering::Relaxed);
        }
    }

    /// Releases permits that were acquired.
    pub(crate) fn release(&self, permits: usize) {
        if permits == 0 {
            return;
        }
        let before = self.in_use.fetch_sub(permits, Ordering::Relaxed);
        debug_assert!(before >= permits, "{permits} permits are released and {before} are in use");
    }
}
