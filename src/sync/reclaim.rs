//! The reclamation seam: what was unlinked is freed once no reader can hold it (epochs; Fraser, "Practical
//! lock-freedom", 2004; here crossbeam-epoch).
#![allow(
    unsafe_code,
    reason = "memory that outlives its unlinking is what this file is for; each block says why it may"
)]

/// An allocation that nobody else can reach: not published yet, or unreachable again. Dropping it frees it.
pub(crate) struct Owned<T>(Box<T>);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    /// Gives up ownership; the address is to be published, or taken back by [`from_ptr`](Self::from_ptr).
    pub(crate) fn into_ptr(self) -> *mut T {
        Box::into_raw(self.0)
    }

    /// Takes ownership of what [`into_ptr`](Self::into_ptr) gave up.
    ///
    /// # Safety
    /// 1. `ptr` came from `into_ptr`, and ownership was not taken back since.
    /// 2. Nobody else can reach `*ptr` any more.
    pub(crate) unsafe fn from_ptr(ptr: *mut T) -> Self {
        // SAFETY: 1. makes it a box's address, 2. makes this the only owner.
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

/// While it lives, nothing that was reachable when it was made is freed.
pub(crate) struct Guard(crossbeam_epoch::Guard);

/// Begins a critical section of the current thread.
pub(crate) fn pin() -> Guard {
    Guard(crossbeam_epoch::pin())
}

impl Guard {
    /// The value behind a published address; none for null.
    ///
    /// # Safety
    /// `ptr` is null, or came from [`Owned::into_ptr`] and was reachable at some time since this guard was made.
    #[inline(always)]
    pub(crate) unsafe fn deref<T>(&self, ptr: *mut T) -> Option<&T> {
        // SAFETY: the caller's duty makes it null or a live allocation, and the guard keeps it allocated.
        unsafe { ptr.as_ref() }
    }

    /// Runs `free(ptr)` once every guard that exists now is gone.
    ///
    /// # Safety
    /// 1. `*ptr` is unlinked: no guard made after this call can reach it.
    /// 2. Nobody else retires or frees it.
    /// 3. `free` may be called with it, on any thread.
    pub(crate) unsafe fn retire<T: 'static>(&self, ptr: *mut T, free: unsafe fn(*mut T)) {
        let deferred = move || {
            // SAFETY: 2. and 3.; by 1. the epoch has left behind every guard that could reach it.
            unsafe { free(ptr) }
        };
        // SAFETY: the closure owns what it touches (2.), which lives until then, and may run on any thread (3.).
        unsafe { self.0.defer_unchecked(deferred) };
        // Otherwise the drop waits in this thread's bag until it has filled up, which may be never.
        self.0.flush();
    }

    /// Calls `then` once every guard that exists now is gone: a grace period.
    pub(crate) fn defer(&self, then: impl FnOnce() + Send + 'static) {
        self.0.defer(then);
        self.0.flush();
    }
}

/// Lets the epoch move on although nothing is retired, so that what was retired before is freed.
pub(crate) fn flush() {
    crossbeam_epoch::pin().flush();
}
