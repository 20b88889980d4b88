//! A cell whose owner decides who may access it, checked by loom.
#![allow(unsafe_code, reason = "a stand-in for a file with unsafe code")]

use loom::cell::UnsafeCell;

/// loom compares each access with the accesses that happen before it.
pub(crate) struct StepCell<T>(UnsafeCell<T>);

// SAFETY: loom checks the accesses.
unsafe impl<T: Send + Sync> Sync for StepCell<T> {}

impl<T> StepCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// # Safety
    /// As for the real function. loom checks it for the moment of the call.
    pub(crate) unsafe fn get(&self) -> &T {
        // SAFETY: the caller's duty.
        self.0.with(|value| unsafe { &*value })
    }

    /// # Safety
    /// As for the real function. loom checks it.
    pub(crate) unsafe fn replace(&self, value: T) -> T {
        // SAFETY: the caller's duty.
        self.0.with_mut(|old| unsafe { std::mem::replace(&mut *old, value) })
    }
}
