//! The rotation of the tables: which tables are in use, and when the oldest one may be cleared.
//!
//! Three tables rotate through the roles *previous*, *current* and *next*. A generation lasts at least as long as an id
//! has to be remembered. So an id of the current table is still found while that table is the previous one, and after
//! that the table may be cleared.
//!
//! ```text
//! phase       0 steady        1 overlap                   2 steady        3 overlap ...
//! looks in    previous P      P                           A               A
//! claims in   current  A      A, and if inserted there B  B               B, and if inserted there C
//! ```
//!
//! Claimants of two phases may run at the same time. Why exactly one of them inserts an id all the same:
//! - Steady and overlap: both decide in A.
//! - Overlap and the steady phase after it: a claimant of the overlap needs A and B. A claimant of the steady phase
//!   needs A without the id, and B. Only one of them inserts into B. A claimant that inserts into A alone gets
//!   "duplicate", and that is correct, because the other one has inserted the id.
//! - Two steady phases: their claimants never run at the same time. A phase advances only after an epoch grace period:
//!   no thread may still be in the phase before the current one. So the second claimant finds the ids that the first
//!   one has inserted into A.

use crate::sync::{AtomicU64, Ordering, reclaim};
use std::sync::Arc;

/// The number of the current phase, and of the last phase that is quiescent.
pub(crate) struct RotationPhase {
    current: AtomicU64,
    /// Every thread that is pinned has read this phase or a later one.
    quiescent: Arc<AtomicU64>,
}

/// The index of the table in each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) previous: usize,
    pub(crate) current: usize,
    pub(crate) next: usize,
    /// Whether a claim that inserts into the current table also inserts into the next one.
    pub(crate) is_overlap: bool,
}

impl RotationPhase {
    pub(crate) fn new() -> Self {
        Self { current: AtomicU64::new(0), quiescent: Arc::new(AtomicU64::new(0)) }
    }

    /// The roles in the current phase. They are valid for a claimant as long as the guard lives, which it has to make
    /// first.
    #[inline]
    pub(crate) fn roles(&self, _: &reclaim::EpochGuard) -> Roles {
        // Acquire: pairs with the Release store of `current` in `advance`. If the store came first, this thread sees
        // all changes of the tables before it. By the grace period before it, this thread also sees all ids that
        // claimants of the phase before the last have inserted. If the store comes later, this thread is in the phase
        // before, and its guard delays the next advance.
        Roles::of_phase(self.current.load(Ordering::Acquire))
    }

    /// Whether no pinned thread has read an earlier phase than the current one.
    pub(crate) fn is_quiescent(&self) -> bool {
        // Acquire: pairs with the Release store of `quiescent` in `advance`. If the store came first, this thread sees
        // the ids that those threads have inserted. If not, the phase is not quiescent yet, and the next sweep checks
        // again. Relaxed: only the thread that rotates the tables changes `current`, under the lock of the rotation.
        self.quiescent.load(Ordering::Acquire) == self.current.load(Ordering::Relaxed)
    }

    /// Advances by one phase. Only one thread at a time may call this, and only in a quiescent phase.
    pub(crate) fn advance(&self) {
        debug_assert!(self.is_quiescent(), "a thread may still be in the phase before the current one");
        let phase = self.current.load(Ordering::Relaxed) + 1;
        // Release: pairs with the Acquire load in `roles`, where both outcomes are described.
        self.current.store(phase, Ordering::Release);
        let quiescent = Arc::clone(&self.quiescent);
        // Release: pairs with the Acquire load in `is_quiescent`. A thread that reads this phase there comes after
        // every thread that was pinned when the phase advanced.
        reclaim::pin().defer(move || quiescent.store(phase, Ordering::Release));
    }
}

impl Roles {
    fn of_phase(phase: u64) -> Self {
        let generation = (phase / 2) as usize;
        let is_overlap = phase % 2 == 1;
        Self { previous: (generation + 2) % 3, current: generation % 3, next: (generation + 1) % 3, is_overlap }
    }
}
