//! A value that changes in steps, with a grace period between steps.
//!
//! A thread *pins* the value before it uses it. A step replaces the value, and it waits until no thread is pinned in
//! the step before the current one. So threads of two successive steps may run at the same time, and threads of three
//! never do.
//!
//! One word has the number of the step and the number of threads that are pinned in it and in the step before. Every
//! change of the word is one read-modify-write. So all changes have one order, and none misses another one.
#![allow(unsafe_code, reason = "the values are shared; each block says who may access them")]

use super::{AtomicU64, Mutex, MutexGuard, Ordering, StepCell};
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

/// One pinned thread, in the count of even steps. The count of odd steps comes above it.
const PINNED: u64 = 1;
const COUNT_BITS: u32 = 24;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// One step. The number of steps wraps around in the word; only its lowest bit is used.
const STEP_SHIFT: u32 = 2 * COUNT_BITS;
const STEP: u64 = 1 << STEP_SHIFT;

/// A value that many threads use, and the state of the thread that steps.
pub(crate) struct Phases<T, S> {
    word: AtomicU64,
    /// The values of even steps and of odd steps. Invariant: only the thread that holds the lock of `state` replaces a
    /// value, and only that of a step in which no thread is pinned.
    values: [StepCell<Option<T>>; 2],
    state: Mutex<S>,
}

/// A value that is used by the current thread until the drop.
pub(crate) struct Pinned<'p, T, S> {
    phases: &'p Phases<T, S>,
    parity: usize,
}

/// The only thread that may step, until the drop.
pub(crate) struct Stepper<'p, T, S> {
    phases: &'p Phases<T, S>,
    state: MutexGuard<'p, S>,
}

impl<T, S> Phases<T, S> {
    /// Step 0 has this value.
    pub(crate) fn new(value: T, state: S) -> Self {
        let values = [StepCell::new(Some(value)), StepCell::new(None)];
        Self { word: AtomicU64::new(0), values, state: Mutex::new(state) }
    }

    /// The value of the current step, for use until the drop. Never waits.
    #[inline]
    pub(crate) fn pin(&self) -> Pinned<'_, T, S> {
        // Acquire: pairs with the Release of `advance` and of the drop of `Pinned`. All changes of the word are
        // read-modify-writes, so this one sees everything that was released by those before it in their one order: the
        // value of its step, and what the threads did that were pinned two steps earlier. If a step comes in between,
        // the swap fails and is made again with the new step.
        let pin = |word| Some(word + one(parity(word)));
        let word = self.word.try_update(Ordering::Acquire, Ordering::Relaxed, pin).unwrap_or_default();
        debug_assert!(count(word, parity(word)) < COUNT_MAX, "too many threads are pinned");
        Pinned { phases: self, parity: parity(word) }
    }

    /// Waits until no other thread may step.
    pub(crate) fn lock(&self) -> Stepper<'_, T, S> {
        Stepper { phases: self, state: self.state.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<T, S> Stepper<'_, T, S> {
    /// The value of the current step, and the state.
    pub(crate) fn parts(&mut self) -> (&T, &mut S) {
        // Relaxed: only this thread changes the step.
        let parity = parity(self.phases.word.load(Ordering::Relaxed));
        // SAFETY: only this thread replaces values (invariant), and not while it borrows this one.
        let value = unsafe { self.phases.values[parity].get() };
        (value.as_ref().expect("the current step has a value"), &mut self.state)
    }

    /// Whether no thread is pinned in the step before the current one. Then it stays so until the next step.
    pub(crate) fn is_settled(&self) -> bool {
        // Acquire: pairs with the Release of the drop of `Pinned`. If this load finds no thread, those threads have
        // unpinned before, and what they did happens before what this thread does next. If it finds one, the step
        // waits.
        let word = self.phases.word.load(Ordering::Acquire);
        count(word, 1 - parity(word)) == 0
    }

    /// Begins the next step. Returns the value of the step before the current one, unless it was taken.
    ///
    /// # Panics
    /// If the current step is not settled.
    pub(crate) fn advance(&mut self, value: T) -> Option<T> {
        let before = self.replace_previous(Some(value));
        // Release: pairs with the Acquire of `pin`, where both outcomes are described.
        self.phases.word.fetch_add(STEP, Ordering::Release);
        before
    }

    /// Takes the value of the step before the current one, unless it was taken already.
    ///
    /// # Panics
    /// If the current step is not settled.
    pub(crate) fn take_previous(&mut self) -> Option<T> {
        self.replace_previous(None)
    }

    fn replace_previous(&mut self, value: Option<T>) -> Option<T> {
        assert!(self.is_settled(), "a thread may still use the value");
        // Relaxed: only this thread changes the step.
        let previous = 1 - parity(self.phases.word.load(Ordering::Relaxed));
        // SAFETY: no thread is pinned in the step before the current one, and a thread that pins now is pinned in the
        // current one. So no thread reads the value, and only this thread replaces values (invariant).
        unsafe { self.phases.values[previous].replace(value) }
    }
}

impl<T, S> Deref for Stepper<'_, T, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<T, S> DerefMut for Stepper<'_, T, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<T, S> Deref for Pinned<'_, T, S> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the value of this step is replaced only after this thread has unpinned (invariant).
        let value = unsafe { self.phases.values[self.parity].get() };
        value.as_ref().expect("a step in use has a value")
    }
}

impl<T, S> Drop for Pinned<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `is_settled` and of `pin`, where the outcomes are described.
        self.phases.word.fetch_sub(one(self.parity), Ordering::Release);
    }
}

#[inline(always)]
fn parity(word: u64) -> usize {
    (word >> STEP_SHIFT & 1) as usize
}

#[inline(always)]
fn one(parity: usize) -> u64 {
    PINNED << (COUNT_BITS * parity as u32)
}

#[inline(always)]
fn count(word: u64, parity: usize) -> u64 {
    word >> (COUNT_BITS * parity as u32) & COUNT_MAX
}
