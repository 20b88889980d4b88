//! A number for each thread.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of the current thread. Different threads have different numbers, which count up from zero.
pub(crate) fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the number only distinguishes threads and orders no memory.
    thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}
