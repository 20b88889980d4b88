//! The value in force, replaced atomically; the only user of arc-swap.

use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// Holds one value at a time. A value that was loaded does not change while it is held.
pub(crate) struct Publication<T> {
    current: ArcSwap<T>,
}

impl<T> Publication<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: ArcSwap::from_pointee(value) }
    }

    /// The value in force. It is never older than the result of an earlier call. Wait-free except in very rare cases.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces `base` by `successor` if `base` is still the value in force, and returns what was published.
    ///
    /// So a caller that has validated `successor` against `base` never replaces a value that it has not seen. The
    /// caller holds `base`, so no other value can get its address meanwhile. Lock-free: a swap fails only because
    /// another one has succeeded.
    ///
    /// # Errors
    /// The value in force, if it is not `base`. It stays.
    pub(crate) fn try_publish(&self, base: &Arc<T>, successor: T) -> Result<Arc<T>, Arc<T>> {
        let successor = Arc::new(successor);
        let found = Guard::into_inner(self.current.compare_and_swap(base, Arc::clone(&successor)));
        if Arc::ptr_eq(&found, base) { Ok(successor) } else { Err(found) }
    }
}
