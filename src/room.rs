//! Room for a bounded number of things.

use crate::sync::{AtomicUsize, Ordering};

/// Places, taken before what they are for is made and given back after it is gone. A bound and a gauge: it orders
/// nothing, so every access is Relaxed.
pub(crate) struct Room {
    taken: AtomicUsize,
    places: usize,
}

impl Room {
    /// All places are free.
    pub(crate) fn new(places: usize) -> Self {
        Self { taken: AtomicUsize::new(0), places }
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether no place is free.
    pub(crate) fn is_full(&self) -> bool {
        self.taken() >= self.places
    }

    /// Takes all of the places asked for, or none.
    pub(crate) fn take(&self, places: usize) -> bool {
        let after = |before: usize| before.checked_add(places).filter(|after| *after <= self.places);
        self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, after).is_ok()
    }

    /// Frees places that were taken.
    pub(crate) fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::Relaxed);
    }
}
