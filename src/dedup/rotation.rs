//! Which tables are in use, and when the oldest is dropped.
//!
//! Three tables take turns as *previous*, *current* and *next*. A generation lasts as long as an id must be remembered, so
//! an id that was put into the current table is still looked for there while the table is the previous one, and may be
//! dropped with it.
//!
//! ```text
//! step        0 steady        1 bridging              2 steady        3 bridging ...
//! looks in    previous P      P                       A               A
//! claims in   current  A      A, and if won there B   B               B, and if won there C
//! ```
//!
//! Why an id has one winner across a step, though claimants on both sides of it run at once:
//! - steady and bridging: both decide in A.
//! - bridging and the steady step after it: the first needs A and B, the second needs A empty of the id, and B. Who wins B
//!   is one of them; whoever won A alone is told that the id is taken, and it is.
//! - two steady steps never meet: a step is taken only when nobody who saw the step before the last is left (a grace
//!   period of the epoch). So what the first claimed in A, the second finds there.

use crate::sync::{AtomicU64, Ordering, reclaim};
use std::sync::Arc;

/// The step that is in force, and the one that everybody has reached.
pub(crate) struct Steps {
    now: AtomicU64,
    reached: Arc<AtomicU64>,
}

/// What a step makes of the three tables, by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) previous: usize,
    pub(crate) current: usize,
    pub(crate) next: usize,
    /// Whether claims go on into the next table.
    pub(crate) bridging: bool,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { now: AtomicU64::new(0), reached: Arc::new(AtomicU64::new(0)) }
    }

    /// The roles now; they hold for a claimant as long as it is pinned, and it must have been pinned before.
    #[inline]
    pub(crate) fn roles(&self, _: &reclaim::Guard) -> Roles {
        // Acquire, with the Release of `advance`: whoever sees a step sees what was done to the tables before it, and, by
        // the grace period before, what the claimants of two steps ago have put into them.
        Roles::of(self.now.load(Ordering::Acquire))
    }

    /// Whether nobody who saw an earlier step is left.
    pub(crate) fn settled(&self) -> bool {
        // Acquire, with the Release below: what those have put into the tables is there.
        self.reached.load(Ordering::Acquire) == self.now.load(Ordering::Relaxed)
    }

    /// Goes one step on. One thread at a time, and only from a settled step.
    pub(crate) fn advance(&self) {
        let step = self.now.load(Ordering::Relaxed) + 1;
        self.now.store(step, Ordering::Release);
        let reached = Arc::clone(&self.reached);
        // Release: whoever sees the step reached comes after everybody who was pinned when it was taken.
        reclaim::pin().defer(move || reached.store(step, Ordering::Release));
    }
}

impl Roles {
    fn of(step: u64) -> Self {
        let generation = (step / 2) as usize;
        let bridging = step % 2 == 1;
        Self { previous: (generation + 2) % 3, current: generation % 3, next: (generation + 1) % 3, bridging }
    }
}
