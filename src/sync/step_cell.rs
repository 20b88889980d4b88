//! A cell whose owner decides who may access it.
#![allow(unsafe_code, reason = "the cell is shared; each function says what the caller has to guarantee")]

use std::cell::UnsafeCell;

/// A value that one thread replaces while no other thread reads it.
///
/// Here the type is only a wrapper. A model checker compares each access with the accesses that happen before it.
pub(crate) struct StepCell<T>(UnsafeCell<T>);

// SAFETY: by the callers' duties, a thread replaces the value only while no other thread accesses it, and threads read
// it only as `&T`.
unsafe impl<T: Send + Sync> Sync for StepCell<T> {}

impl<T> StepCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// # Safety
    /// No thread replaces the value while the reference lives.
    #[inline(always)]
    pub(crate) unsafe fn get(&self) -> &T {
        // SAFETY: by the caller's duty there is no unique reference.
        unsafe { &*self.0.get() }
    }

    /// # Safety
    /// No other thread accesses the value meanwhile.
    pub(crate) unsafe fn replace(&self, value: T) -> T {
        // SAFETY: by the caller's duty this is the only access.
        unsafe { self.0.get().replace(value) }
    }
}
