//! A value that changes in steps, with a grace period between steps.
//!
//! A thread *pins* the value before it uses it. A step replaces the value, and it waits until no thread is pinned in
//! the step before the current one. So threads of two successive steps may run at the same time, and threads of three
//! never do.
//!
//! The pinned threads are counted in stripes, so that threads do not write to one cache line. A stripe has one count
//! for even steps and one for odd steps. A thread adds itself to the count of the step that it has seen, and looks at
//! the step again. If the step has moved, the thread undoes its addition and begins anew. The argument is that of the
//! sleepable RCU of Linux (`kernel/rcu/srcutree.c`). It rests on two SeqCst fences:
//!
//! ```text
//! thread that pins            thread that steps
//! add to the count of step s  store step s + 1
//! fence                       fence
//! load the step again         load the counts of step s
//! ```
//!
//! Fences have one order. If the fence of the pinning thread comes first, the loads of the counts find its addition. If
//! the other fence comes first, the pinning thread finds the new step. So no thread uses the value of a step that was
//! found to be settled without it. The addition of a thread that begins anew can only delay a step.
#![allow(unsafe_code, reason = "the values are shared; each block says who may access them")]

use super::{AtomicU64, Mutex, MutexGuard, Ordering, PIN_STRIPES, Padded, StepCell, fence, thread_number};
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};

/// A value that many threads use, and the state of the thread that steps.
pub(crate) struct Phases<T, S> {
    current: Padded<Current<T>>,
    stripes: Box<[Padded<Stripe>]>,
    state: Padded<Mutex<S>>,
}

/// What changes only by a step.
struct Current<T> {
    /// The number of the current step. Only the thread that holds the lock of the state changes it.
    step: AtomicU64,
    /// The values of even steps and of odd steps. Invariant: only the thread that holds the lock of the state replaces
    /// a value, and only that of a step in which no thread is pinned.
    values: [StepCell<Option<T>>; 2],
}

/// The numbers of pinned threads of even steps and of odd steps, of some of the threads. Each thread has one stripe.
struct Stripe {
    pinned: [AtomicU64; 2],
}

/// A value that is used by the current thread until the drop.
pub(crate) struct Pinned<'p, T, S> {
    phases: &'p Phases<T, S>,
    stripe: &'p Stripe,
    parity: usize,
}

/// The only thread that may step, until the drop.
pub(crate) struct Stepper<'p, T, S> {
    phases: &'p Phases<T, S>,
    state: MutexGuard<'p, S>,
    /// Whether the current step was found to be settled. A thread that begins anew may add itself to a count later, and
    /// uses no value.
    is_settled: bool,
}

impl<T, S> Phases<T, S> {
    /// Step 0 has this value.
    pub(crate) fn new(value: T, state: S) -> Self {
        let stripe = || Padded(Stripe { pinned: [AtomicU64::new(0), AtomicU64::new(0)] });
        Self {
            current: Padded(Current {
                step: AtomicU64::new(0),
                values: [StepCell::new(Some(value)), StepCell::new(None)],
            }),
            stripes: (0..PIN_STRIPES).map(|_| stripe()).collect(),
            state: Padded(Mutex::new(state)),
        }
    }

    /// The value of the current step, for use until the drop. Never waits.
    #[inline]
    pub(crate) fn pin(&self) -> Pinned<'_, T, S> {
        let stripe = &*self.stripes[thread_number() % PIN_STRIPES];
        loop {
            // Acquire: pairs with the Release of `advance`. So this thread sees the value of the step, and what the
            // threads did that were pinned two steps earlier, because the step came after them. The fence below would
            // acquire the same, but ThreadSanitizer does not know fences. On x86 a load costs the same either way.
            let step = self.current.step.load(Ordering::Acquire);
            let count = &stripe.pinned[parity(step)];
            // Relaxed: the fence orders it before the second load. It continues the release sequence of the unpins
            // before it.
            count.fetch_add(1, Ordering::Relaxed);
            // SeqCst: pairs with the fence of `is_settled`; the module's comment describes both outcomes.
            fence(Ordering::SeqCst);
            // Relaxed: it only compares. If it finds an outdated step, that step is still counted as in use.
            if self.current.step.load(Ordering::Relaxed) == step {
                return Pinned { phases: self, stripe, parity: parity(step) };
            }
            // Relaxed: this thread has used no value.
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits until no other thread may step.
    pub(crate) fn lock(&self) -> Stepper<'_, T, S> {
        Stepper::new(self, self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The right to step, unless another thread has it. Never waits.
    pub(crate) fn try_lock(&self) -> Option<Stepper<'_, T, S>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Stepper::new(self, state))
    }
}

impl<'p, T, S> Stepper<'p, T, S> {
    fn new(phases: &'p Phases<T, S>, state: MutexGuard<'p, S>) -> Self {
        Self { phases, state, is_settled: false }
    }

    /// The value of the current step, and the state.
    pub(crate) fn parts(&mut self) -> (&T, &mut S) {
        // SAFETY: only this thread replaces values (invariant), and not while it borrows this one.
        let value = unsafe { self.phases.current.values[parity(self.step())].get() };
        (value.as_ref().expect("the current step has a value"), &mut self.state)
    }

    /// Whether no thread uses the value of the step before the current one. Then none does until the next step.
    pub(crate) fn is_settled(&mut self) -> bool {
        if self.is_settled {
            return true;
        }
        let previous = 1 - parity(self.step());
        // SeqCst: pairs with the fence of `pin`; the module's comment describes both outcomes. The store of the current
        // step happens before it, here or in the thread that had the lock before.
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release of the drop of `Pinned`. If no load finds a thread, those threads have
        // unpinned before, and what they did happens before what this thread does next. If one finds a thread, the step
        // waits.
        let mut counts = self.phases.stripes.iter().map(|stripe| stripe.pinned[previous].load(Ordering::Acquire));
        self.is_settled = counts.all(|count| count == 0);
        self.is_settled
    }

    /// Begins the next step. Returns the value of the step before the current one, unless it was taken.
    ///
    /// # Panics
    /// If the current step is not settled.
    pub(crate) fn advance(&mut self, value: T) -> Option<T> {
        let before = self.replace_previous(Some(value));
        self.is_settled = false;
        // Release: pairs with the first load of `pin`. A thread that finds this step sees its value; a thread that
        // finds an earlier step uses the value of that step, and the next step waits for it.
        self.phases.current.step.store(self.step() + 1, Ordering::Release);
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
        // SAFETY: no thread is pinned in the step before the current one, and a thread that pins now uses the value of
        // the current one. So no thread reads the value, and only this thread replaces values (invariant).
        unsafe { self.phases.current.values[1 - parity(self.step())].replace(value) }
    }

    fn step(&self) -> u64 {
        // Relaxed: only this thread changes the step.
        self.phases.current.step.load(Ordering::Relaxed)
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
        let value = unsafe { self.phases.current.values[self.parity].get() };
        value.as_ref().expect("a step in use has a value")
    }
}

impl<T, S> Drop for Pinned<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `is_settled`, where both outcomes are described.
        self.stripe.pinned[self.parity].fetch_sub(1, Ordering::Release);
    }
}

#[inline(always)]
fn parity(step: u64) -> usize {
    (step & 1) as usize
}
