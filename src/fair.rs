//! A lock that is taken in turns.

use std::sync::{LockResult, Mutex, MutexGuard, PoisonError, TryLockError, TryLockResult};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_comes_before_whoever_has_just_let_go() {
        for _ in 0..100 {
            let mutex = FairMutex::new(vec![]);
            let mut held = mutex.lock().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| mutex.lock().unwrap().push("waiter"));
                while mutex.turn.try_lock().is_ok() {
                    std::thread::yield_now();
                }
                held.push("holder");
                drop(held);
                mutex.lock().unwrap().push("holder again");
            });
            assert_eq!(*mutex.lock().unwrap(), ["holder", "waiter", "holder again"]);
        }
    }

    #[test]
    fn a_try_fails_while_somebody_holds_it_or_waits() {
        let mutex = FairMutex::new(());
        let would_block = || matches!(mutex.try_lock(), Err(TryLockError::WouldBlock));
        assert!(!would_block());
        let held = mutex.lock().unwrap();
        assert!(would_block());
        drop(held);
        let _turn = mutex.turn.lock().unwrap();
        assert!(would_block());
    }
}
