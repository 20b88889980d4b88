//! A mutex whose `try_lock` never waits.
//!
//! loom 0.7.2 treats a thread that is about to call `try_lock` on loom's mutex as a thread that waits for it, and
//! reports a deadlock where `try_lock` would have failed. Here a flag says whether the mutex is held, and loom's mutex
//! and condition variable guard the flag. loom's mutex is never held while a thread waits.

use loom::cell::{MutPtr, UnsafeCell};
use loom::sync::Condvar;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};

pub(crate) struct Mutex<T> {
    held: loom::sync::Mutex<bool>,
    released: Condvar,
    value: UnsafeCell<T>,
}

pub(crate) struct MutexGuard<'m, T> {
    mutex: &'m Mutex<T>,
    /// Keeps loom's check of the access active as long as the guard lives.
    value: Option<MutPtr<T>>,
}

#[expect(unsafe_code, reason = "a mutex makes a value shareable")]
// SAFETY: only one guard at a time gives access to the value, and loom checks that.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { held: loom::sync::Mutex::new(false), released: Condvar::new(), value: UnsafeCell::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let mut held = self.held.lock().expect("a model that panics has failed");
        while *held {
            held = self.released.wait(held).expect("a model that panics has failed");
        }
        *held = true;
        Ok(MutexGuard { mutex: self, value: Some(self.value.get_mut()) })
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let mut held = self.held.lock().expect("a model that panics has failed");
        if *held {
            return Err(TryLockError::WouldBlock);
        }
        *held = true;
        Ok(MutexGuard { mutex: self, value: Some(self.value.get_mut()) })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    fn deref(&self) -> &T {
        let value = self.value.as_ref().expect("only the drop takes it");
        // SAFETY: there is no other guard.
        unsafe { value.deref() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    fn deref_mut(&mut self) -> &mut T {
        let value = self.value.as_ref().expect("only the drop takes it");
        // SAFETY: there is no other guard, and this one is borrowed mutably.
        unsafe { value.deref() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        if std::thread::panicking() {
            return;
        }
        *self.mutex.held.lock().expect("a model that panics has failed") = false;
        self.mutex.released.notify_all();
    }
}
