//! Stand-in for the part of arc-swap that the publication of generations uses, made of types that a model checker
//! explores.
//!
//! It has the guarantees that the protocol needs. Loads and swaps of one cell are linearisable, and a swap succeeds
//! exactly if the cell still holds the same allocation that the caller has loaded.
//!
//! Not covered: arc-swap's own algorithm (debts, hazard slots, its orderings).

use checker::sync::Mutex;
use std::sync::Arc;

/// A cell that holds one `Arc` at a time.
pub struct ArcSwap<T>(Mutex<Arc<T>>);

impl<T> ArcSwap<T> {
    /// A cell that holds `value`.
    #[must_use]
    pub fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    /// The value of the cell.
    pub fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().expect("a model that panics has failed"))
    }

    /// Stores `new` if the cell holds `current`; returns the value before.
    pub fn compare_and_swap(&self, current: &Arc<T>, new: Arc<T>) -> Guard<T> {
        let mut held = self.0.lock().expect("a model that panics has failed");
        let found = Arc::clone(&held);
        if Arc::ptr_eq(&found, current) {
            *held = new;
        }
        Guard(found)
    }

    /// Stores `new` unconditionally; for mutations of the protocol.
    pub fn store(&self, new: Arc<T>) {
        *self.0.lock().expect("a model that panics has failed") = new;
    }
}

/// The value of a cell before a swap.
pub struct Guard<T>(Arc<T>);

impl<T> Guard<T> {
    /// The value as an `Arc`.
    #[must_use]
    pub fn into_inner(guard: Self) -> Arc<T> {
        guard.0
    }
}
