//! The allocator of the process: mimalloc, and its options.

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sets how long the allocator keeps freed memory for reuse. Until then the system counts the memory as resident.
#[allow(unsafe_code, reason = "a setting of the allocator, which is C")]
pub(crate) fn keep_freed_memory(time: Duration) {
    use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};
    /// `mi_option_purge_delay`. The bindings do not name this option. In mimalloc.h (2 and 3), it is the option before
    /// `mi_option_use_numa_nodes`.
    const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;
    // SAFETY: the number is that of the option above. The option can be set to any delay of -1 ms or more, at any time
    // and from any thread.
    unsafe { mi_option_set(PURGE_DELAY, time.as_millis() as _) };
}
