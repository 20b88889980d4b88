//! Prefetching memory into the processor's cache.
#![allow(unsafe_code, reason = "the intrinsic is unsafe; the block says why any address is allowed")]

/// Prefetches the cache line at `address`, which may be any address. It only changes the time that a later access
/// takes.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing, and the processor ignores an invalid address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
