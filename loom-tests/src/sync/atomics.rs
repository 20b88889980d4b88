//! loom's atomics, with every order of two accesses explored.
//!
//! loom 0.7.2 forgets another thread's load as soon as the writing thread loads too (tokio-rs/loom #166, #392), and then
//! does not explore the other order: a load followed by a compare-and-swap is green after one execution. Each atomic here
//! carries a second one that every access bumps first. Two bumps are always dependent, so every order of two accesses is
//! explored; they are Relaxed, so they add no happens-before edge.

use loom::sync::atomic::{self, Ordering};

/// Makes every two accesses of its owner dependent.
struct Bump(atomic::AtomicUsize);

impl Bump {
    fn new() -> Self {
        Self(atomic::AtomicUsize::new(0))
    }

    fn bump(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// loom's atomic of the same name, with every order of accesses explored.
pub(crate) struct AtomicPtr<T> {
    word: atomic::AtomicPtr<T>,
    order: Bump,
}

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self { word: atomic::AtomicPtr::new(value), order: Bump::new() }
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.order.bump();
        self.word.load(order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.order.bump();
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// loom's atomic of the same name, with every order of accesses explored.
macro_rules! number {
    ($name:ident: $number:ty { $($operation:ident),* }) => {
        pub(crate) struct $name {
            word: atomic::$name,
            order: Bump,
        }

        impl $name {
            pub(crate) fn new(value: $number) -> Self {
                Self { word: atomic::$name::new(value), order: Bump::new() }
            }

            pub(crate) fn load(&self, order: Ordering) -> $number {
                self.order.bump();
                self.word.load(order)
            }

            pub(crate) fn store(&self, value: $number, order: Ordering) {
                self.order.bump();
                self.word.store(value, order);
            }

            $(pub(crate) fn $operation(&self, value: $number, order: Ordering) -> $number {
                self.order.bump();
                self.word.$operation(value, order)
            })*
        }
    };
}

impl AtomicU64 {
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.order.bump();
        self.word.compare_exchange(current, new, success, failure)
    }
}

number!(AtomicIsize: isize { fetch_add, fetch_sub });
number!(AtomicU64: u64 { swap, fetch_or });
number!(AtomicUsize: usize { swap, fetch_add, fetch_sub });

impl AtomicUsize {
    pub(crate) fn try_update(
        &self,
        success: Ordering,
        failure: Ordering,
        update: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        self.order.bump();
        self.word.fetch_update(success, failure, update)
    }
}
