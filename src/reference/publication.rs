//! The value in force, replaced atomically; the only user of arc-swap.

use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// One value at a time. Whoever has loaded it keeps it as it was.
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

    /// Replaces the value in force by what `succeed` makes of it, or leaves it where that is none.
    ///
    /// The swap succeeds only if the value that `succeed` has judged is still in force; else it is called again, with the
    /// value that came in between. So no value is ever replaced unseen. Lock-free: a swap fails only because another one
    /// has succeeded.
    ///
    /// # Errors
    /// Those of `succeed`; the value in force stays.
    pub(crate) fn publish<E>(&self, mut succeed: impl FnMut(&T) -> Result<Option<T>, E>) -> Result<Arc<T>, E> {
        let mut current = self.current();
        loop {
            let Some(successor) = succeed(&current)?.map(Arc::new) else { return Ok(current) };
            let found = Guard::into_inner(self.current.compare_and_swap(&current, Arc::clone(&successor)));
            if Arc::ptr_eq(&found, &current) {
                return Ok(successor);
            }
            current = found;
        }
    }
}
