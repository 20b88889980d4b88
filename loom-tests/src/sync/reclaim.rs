//! Stand-in for the deferred reclamation by crossbeam-epoch. It frees memory as early as any correct epoch scheme may,
//! keeps freed memory in quarantine to detect an access after the free, and counts the memory that is never freed.
//!
//! The bookkeeping uses std and is thread-local. A checker runs all threads of a model on one OS thread, and types of
//! the checker would add happens-before edges here that the real code does not have. The edges that crossbeam-epoch
//! does add (pinning and collecting run SeqCst fences) are added by fences.
//!
//! Not covered: crossbeam-epoch's own algorithm.
#![allow(unsafe_code, reason = "a stand-in for a file with unsafe code")]

use super::{Ordering, fence};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

type Call = Box<dyn FnOnce()>;

#[derive(Default)]
struct Registry {
    next_guard: u64,
    guards: BTreeSet<u64>,
    /// The address of each allocation, and whether it was freed.
    allocations: BTreeMap<usize, bool>,
    /// The deferred calls, each with the guards that it waits for.
    deferred: Vec<(BTreeSet<u64>, Call)>,
    quarantine: Vec<Call>,
}

std::thread_local!(static REGISTRY: RefCell<Registry> = RefCell::default());

fn registry<R>(f: impl FnOnce(&mut Registry) -> R) -> R {
    REGISTRY.with(|registry| f(&mut registry.borrow_mut()))
}

fn assert_allocated(ptr: usize) {
    match registry(|registry| registry.allocations.get(&ptr).copied()) {
        Some(false) => {}
        Some(true) => panic!("use after free"),
        None => panic!("wild pointer"),
    }
}

/// An allocation that no other thread can reach. The drop frees it.
pub(crate) struct Owned<T: 'static>(*mut T);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        let ptr = Box::into_raw(Box::new(value));
        let before = registry(|registry| registry.allocations.insert(ptr as usize, false));
        assert!(before.is_none(), "an address was reused within one execution");
        Self(ptr)
    }

    pub(crate) fn into_ptr(self) -> *mut T {
        let ptr = self.0;
        std::mem::forget(self);
        ptr
    }

    /// # Safety
    /// As for the real function. This one checks that the address is allocated.
    pub(crate) unsafe fn from_ptr(ptr: *mut T) -> Self {
        assert_allocated(ptr as usize);
        Self(ptr)
    }
}

impl<T> std::ops::Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: owned.
        unsafe { &*self.0 }
    }
}

impl<T> std::ops::DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: owned.
        unsafe { &mut *self.0 }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return; // the model has failed already, and a second panic would hide the reason
        }
        let ptr = self.0;
        match registry(|registry| registry.allocations.insert(ptr as usize, true)) {
            Some(false) => {}
            Some(true) => panic!("double free"),
            None => panic!("free of a wild pointer"),
        }
        let drop_it = move || {
            // SAFETY: the execution is over, and no thread is left.
            drop(unsafe { Box::from_raw(ptr) });
        };
        registry(|registry| registry.quarantine.push(Box::new(drop_it)));
    }
}

/// A guard of a critical section. While it lives, no memory is freed that was reachable when the guard was made.
pub(crate) struct EpochGuard(u64);

pub(crate) fn pin() -> EpochGuard {
    fence(Ordering::SeqCst);
    EpochGuard(registry(|registry| {
        registry.next_guard += 1;
        registry.guards.insert(registry.next_guard);
        registry.next_guard
    }))
}

impl Drop for EpochGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if registry(|registry| !registry.deferred.is_empty()) {
            fence(Ordering::SeqCst);
        }
        registry(|registry| {
            registry.guards.remove(&self.0);
            for (waits_for, _) in &mut registry.deferred {
                waits_for.remove(&self.0);
            }
        });
        call_due();
    }
}

impl EpochGuard {
    /// # Safety
    /// As for the real function. This one checks that the address is allocated.
    pub(crate) unsafe fn deref<T>(&self, ptr: *mut T) -> Option<&T> {
        if ptr.is_null() {
            return None;
        }
        assert_allocated(ptr as usize);
        // SAFETY: the memory of a freed allocation stays in quarantine until the execution ends.
        Some(unsafe { &*ptr })
    }

    /// # Safety
    /// As for the real function.
    pub(crate) unsafe fn retire<T: 'static>(&self, ptr: *mut T, free: unsafe fn(*mut T)) {
        self.defer(move || {
            // SAFETY: the caller's duty; all guards of that time are dropped.
            unsafe { free(ptr) }
        });
    }

    /// Does nothing: here nothing that is retired waits for a flush.
    #[allow(clippy::unused_self, reason = "as the real function")]
    pub(crate) fn flush(&self) {}

    /// Calls `then` after all guards that exist now are dropped.
    pub(crate) fn defer(&self, then: impl FnOnce() + 'static) {
        fence(Ordering::SeqCst);
        registry(|registry| registry.deferred.push((registry.guards.clone(), Box::new(then))));
    }
}

/// Runs the deferred calls that wait for no guard any more.
pub(crate) fn flush() {
    drop(pin());
}

fn call_due() {
    let due = registry(|registry| {
        let deferred = std::mem::take(&mut registry.deferred);
        let (due, waiting): (Vec<_>, Vec<_>) = deferred.into_iter().partition(|(waits_for, _)| waits_for.is_empty());
        registry.deferred = waiting;
        due
    });
    if !due.is_empty() {
        fence(Ordering::SeqCst);
    }
    due.into_iter().for_each(|(_, call)| call());
}

/// The number of allocations that are not freed, after all frees that are due.
pub(crate) fn live() -> usize {
    call_due();
    registry(|registry| registry.allocations.values().filter(|freed| !**freed).count())
}

/// Starts one execution.
pub fn begin() {
    registry(|registry| *registry = Registry::default());
}

/// Ends one execution: all memory must have been freed, exactly once.
pub fn finish() {
    let leaked = live();
    let quarantine = registry(|registry| {
        assert!(registry.guards.is_empty(), "a guard outlived the model");
        std::mem::take(&mut registry.quarantine)
    });
    quarantine.into_iter().for_each(|drop_it| drop_it());
    assert_eq!(leaked, 0, "leaked allocations");
}
