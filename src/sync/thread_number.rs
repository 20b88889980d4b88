//! Numbers for threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads' numbers differ, and stay small.
pub(crate) fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: it tells threads apart and orders nothing.
    thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}
