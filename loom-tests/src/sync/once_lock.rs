//! A cell that is set once, made of loom's types.

use super::{AtomicUsize, Ordering};
use loom::thread::yield_now;

pub(crate) struct OnceLock<T> {
    /// Set and read in one step of a model.
    value: std::sync::OnceLock<T>,
    /// 1 once the value is set.
    is_set: AtomicUsize,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), is_set: AtomicUsize::new(0) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) == 0 { None } else { self.value.get() }
    }

    /// Sets the value, or waits for the thread that was faster.
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let result = self.value.set(value);
        if result.is_ok() {
            self.is_set.store(1, Ordering::Release);
        }
        while self.get().is_none() {
            yield_now();
        }
        result
    }
}
