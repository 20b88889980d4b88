//! The only door to atomics, locks and deferred reclamation for the engine.
//!
//! Whatever threads of the engine share, they share by what stands here. A model checker compiles the same source with a
//! `crate::sync` of its own, so nothing here, and nothing there, knows that checker.

pub(crate) mod cells;
pub(crate) mod reclaim;

pub(crate) use std::sync::atomic::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

/// A value that is written while it is owned and only read once its address is published.
///
/// Transparent here. Under a model checker each access is held against the writes that happen before it, which makes a
/// publication that is too weak visible; a plain field would read the right bytes in every interleaving.
pub(crate) struct Published<T>(T);

impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads after publication.
    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    /// Writes before publication.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Threads' numbers differ, and stay small.
pub(crate) fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: it tells threads apart and orders nothing.
    thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}
