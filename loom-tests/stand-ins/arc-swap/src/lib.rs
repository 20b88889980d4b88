//! Stand-in for the part of arc-swap that the publication of generations uses, so that a model checker sees its steps.
//!
//! Faithful in what the protocol rests on: loads and swaps of one cell are linearisable, and a swap succeeds exactly if
//! the cell still holds the very allocation that the caller has seen.
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

    /// What it holds.
    pub fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().expect("a model that panics has failed"))
    }

    /// Puts `new` in if it holds `current`; returns what it held.
    pub fn compare_and_swap(&self, current: &Arc<T>, new: Arc<T>) -> Guard<T> {
        let mut held = self.0.lock().expect("a model that panics has failed");
        let found = Arc::clone(&held);
        if Arc::ptr_eq(&found, current) {
            *held = new;
        }
        Guard(found)
    }

    /// Puts `new` in whatever it holds; for mutations of the protocol.
    pub fn store(&self, new: Arc<T>) {
        *self.0.lock().expect("a model that panics has failed") = new;
    }
}

/// What a cell held.
pub struct Guard<T>(Arc<T>);

impl<T> Guard<T> {
    /// The same as an `Arc`.
    #[must_use]
    pub fn into_inner(guard: Self) -> Arc<T> {
        guard.0
    }
}
