//! The value in force, replaced atomically; the only user of arc-swap.

use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// One value at a time. A value that was loaded stays as it was for as long as it is held.
pub(crate) struct Publication<T> {
    current: ArcSwap<T>,
}

impl<T> Publication<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: ArcSwap::from_pointee(value) }
    }

    /// The value in force. Wait-free for all but the rarest of readers, and never older than what an earlier call gave.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces `base` by `successor` if `base` is still the value in force, and returns what was published.
    ///
    /// So a caller that has validated `successor` against `base` never replaces a value that it has not seen. The caller
    /// holds `base`, so its address cannot come back as that of another value meanwhile. Lock-free: a swap fails only
    /// because another one has succeeded.
    ///
    /// # Errors
    /// The value in force where it is another one; it stays.
    pub(crate) fn try_publish(&self, base: &Arc<T>, successor: T) -> Result<Arc<T>, Arc<T>> {
        let successor = Arc::new(successor);
        let found = Guard::into_inner(self.current.compare_and_swap(base, Arc::clone(&successor)));
        if Arc::ptr_eq(&found, base) { Ok(successor) } else { Err(found) }
    }
}
