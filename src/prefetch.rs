//! Asking the processor for memory ahead of its use.
#![allow(unsafe_code, reason = "a prefetch takes an address; it says why it may be any")]

/// Asks for the cache line at an address, which may be any; changes nothing but the time that a later access takes.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch accesses nothing, and an address that is none is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
