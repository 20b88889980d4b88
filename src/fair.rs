//! A lock that is taken in turns.

use crate::sync::{Mutex, MutexGuard};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

/// A mutex that nobody gets twice while another thread waits.
///
/// The standard mutex goes to whoever asks first once it is free, and that is the thread that has just let go of it: one
/// that works in slices, to let others in between, would keep them out. Here whoever waits for the value stands in
/// `turn` meanwhile, and who comes later, the last holder too, has to wait for `turn` first.
pub(crate) struct FairMutex<T> {
    turn: Mutex<()>,
    value: Mutex<T>,
}

impl<T> FairMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { turn: Mutex::new(()), value: Mutex::new(value) }
    }

    /// Waits for the value.
    ///
    /// # Errors
    /// When a thread panicked while it held the value.
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.value.lock()
    }

    /// The value, if nobody holds it and nobody waits for it.
    ///
    /// # Errors
    /// When somebody does, or a thread panicked while it held the value.
    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let Ok(_turn) = self.turn.try_lock() else { return Err(TryLockError::WouldBlock) };
        self.value.try_lock()
    }

    /// Whether somebody waits for the value, or is about to.
    #[cfg(test)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.turn.try_lock().is_err()
    }
}
