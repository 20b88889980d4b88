//! A fair mutex: an unlocking thread never gets ahead of a waiting one.

use crate::sync::{Mutex, MutexGuard};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

/// A mutex that no thread gets twice while another thread waits.
///
/// `std::sync::Mutex` is unfair: an unlocking thread that locks again immediately gets ahead of the waiters. So a
/// thread that unlocks after each slice of its work, to let others in, would keep them out. Here a thread holds `queue`
/// while it waits for `value`. A thread that comes later, the last owner included, has to wait for `queue` first.
pub(crate) struct FairMutex<T> {
    queue: Mutex<()>,
    value: Mutex<T>,
}

impl<T> FairMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { queue: Mutex::new(()), value: Mutex::new(value) }
    }

    /// Waits for the value.
    ///
    /// # Errors
    /// If a thread panicked while it held the value.
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let _queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.value.lock()
    }

    /// Locks the value if no thread holds it and no thread waits for it.
    ///
    /// # Errors
    /// If a thread holds it or waits for it, or if a thread panicked while it held the value.
    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let Ok(_queue) = self.queue.try_lock() else { return Err(TryLockError::WouldBlock) };
        self.value.try_lock()
    }

    /// Whether a thread waits for the value, or is about to wait.
    #[cfg(test)]
    pub(crate) fn has_waiter(&self) -> bool {
        self.queue.try_lock().is_err()
    }
}
