//! loom's atomics, with every order of two accesses explored.
//!
//! loom 0.7.2 forgets the load of another thread as soon as the writing thread loads too (tokio-rs/loom #166, #392).
//! Then it does not explore the other order: a load followed by a compare-and-swap passes after one execution. So each
//! atomic here has a second atomic, which every access increments first. Two increments are always dependent, so every
//! order of two accesses is explored. They are Relaxed, so they add no happens-before edge.

use loom::sync::atomic::{self, Ordering};

/// A counter that makes every two accesses of its owner dependent.
struct AccessCounter(atomic::AtomicUsize);

impl AccessCounter {
    fn new() -> Self {
        Self(atomic::AtomicUsize::new(0))
    }

    fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// loom's atomic of the same name, with every order of accesses explored.
pub(crate) struct AtomicPtr<T> {
    word: atomic::AtomicPtr<T>,
    accesses: AccessCounter,
}

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self { word: atomic::AtomicPtr::new(value), accesses: AccessCounter::new() }
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.accesses.increment();
        self.word.load(order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.accesses.increment();
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// loom's atomic of the same name, with every order of accesses explored.
macro_rules! number {
    ($name:ident: $number:ty { $($operation:ident),* }) => {
        pub(crate) struct $name {
            word: atomic::$name,
            accesses: AccessCounter,
        }

        impl $name {
            pub(crate) fn new(value: $number) -> Self {
                Self { word: atomic::$name::new(value), accesses: AccessCounter::new() }
            }

            pub(crate) fn load(&self, order: Ordering) -> $number {
                self.accesses.increment();
                self.word.load(order)
            }

            pub(crate) fn store(&self, value: $number, order: Ordering) {
                self.accesses.increment();
                self.word.store(value, order);
            }

            $(pub(crate) fn $operation(&self, value: $number, order: Ordering) -> $number {
                self.accesses.increment();
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
        self.accesses.increment();
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// `try_update` of the standard library, which loom has by its older name.
macro_rules! updated_number {
    ($name:ident: $number:ty) => {
        impl $name {
            pub(crate) fn try_update(
                &self,
                success: Ordering,
                failure: Ordering,
                update: impl FnMut($number) -> Option<$number>,
            ) -> Result<$number, $number> {
                self.accesses.increment();
                self.word.fetch_update(success, failure, update)
            }
        }
    };
}

number!(AtomicI64: i64 { fetch_max });
number!(AtomicIsize: isize { fetch_add, fetch_sub });
number!(AtomicU64: u64 { swap, fetch_add, fetch_sub, fetch_or });
number!(AtomicUsize: usize { swap, fetch_add, fetch_sub });
updated_number!(AtomicU64: u64);
updated_number!(AtomicUsize: usize);
