//! Deferred reclamation: unlinked memory is freed once no reader can hold it. The implementation is crossbeam-epoch
//! (epochs: Fraser, "Practical lock-freedom", 2004).
#![allow(
    unsafe_code,
    reason = "this file manages memory that lives longer than its last link; each block says why that is sound"
)]

/// An allocation that no other thread can reach: it is not published yet, or unreachable again. The drop frees it.
pub(crate) struct Owned<T>(Box<T>);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    /// Gives up ownership. The caller publishes the address, or takes ownership back by [`from_ptr`](Self::from_ptr).
    pub(crate) fn into_ptr(self) -> *mut T {
        Box::into_raw(self.0)
    }

    /// Takes back the ownership that [`into_ptr`](Self::into_ptr) gave up.
    ///
    /// # Safety
    /// 1. `ptr` came from `into_ptr`, and ownership was not taken back since.
    /// 2. No other thread can reach `*ptr` any more.
    pub(crate) unsafe fn from_ptr(ptr: *mut T) -> Self {
        // SAFETY: by 1. the address is that of a box, by 2. this is the only owner.
        Self(unsafe { Box::from_raw(ptr) })
    }
}

impl<T> std::ops::Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A guard of a critical section. While it lives, no memory is freed that was reachable when the guard was made.
pub(crate) struct EpochGuard(crossbeam_epoch::Guard);

/// Begins a critical section of the current thread.
pub(crate) fn pin() -> EpochGuard {
    EpochGuard(crossbeam_epoch::pin())
}

impl EpochGuard {
    /// The value at a published address; `None` for null.
    ///
    /// # Safety
    /// `ptr` is null, or came from [`Owned::into_ptr`] and was reachable at some time since this guard was made.
    #[inline(always)]
    pub(crate) unsafe fn deref<T>(&self, ptr: *mut T) -> Option<&T> {
        // SAFETY: by the caller's duty `ptr` is null or a live allocation, and the guard keeps it allocated.
        unsafe { ptr.as_ref() }
    }

    /// Runs `free(ptr)` after all guards that exist now are dropped, but not before this thread calls
    /// [`flush`](Self::flush) or [`defer`](Self::defer), or its bag of 64 calls is full.
    ///
    /// # Safety
    /// 1. `*ptr` is unlinked: no thread can reach it with a guard that is made after this call.
    /// 2. No other call retires or frees it.
    /// 3. `free` may be called with `ptr`, on any thread.
    pub(crate) unsafe fn retire<T: 'static>(&self, ptr: *mut T, free: unsafe fn(*mut T)) {
        let deferred = move || {
            // SAFETY: 2. and 3.; by 1. all guards are dropped that could reach `*ptr`.
            unsafe { free(ptr) }
        };
        // SAFETY: the closure owns the memory that it frees (2.), which lives until then, and it may run on any thread
        // (3.).
        unsafe { self.0.defer_unchecked(deferred) };
    }

    /// Passes on what this thread has retired. A flush makes a bag of 2 KiB of its own, so it is for many retired lists
    /// together.
    pub(crate) fn flush(&self) {
        self.0.flush();
    }

    /// Calls `then` after all guards that exist now are dropped: a grace period. It also passes on what this thread has
    /// retired.
    pub(crate) fn defer(&self, then: impl FnOnce() + Send + 'static) {
        self.0.defer(then);
        self.flush();
    }
}

/// Advances the epoch although nothing is retired, so that memory that was retired before is freed.
pub(crate) fn flush() {
    crossbeam_epoch::pin().flush();
}
