//! A partition of the users: the window that writers publish its records in, and the timeline that they are folded
//! into.

use crate::config::EngineConfig;
use crate::fair::FairMutex;
use crate::reference::Generation;
use crate::sync::{AtomicI64, MutexGuard, Ordering};
use crate::timeline::Timeline;
use crate::window::Window;
use std::io::Write;
use std::sync::{Arc, TryLockError};

pub(super) struct Partition {
    pub(super) window: Window,
    timeline: FairMutex<Timeline>,
    /// The engine's time at the start of the last fold that left nothing behind. A gauge; it orders nothing.
    last_full_fold_ms: AtomicI64,
}

impl Partition {
    pub(super) fn new(config: &EngineConfig, generation: &Arc<Generation>, now_ms: i64) -> Self {
        let window = Window::new(config.ring_slots());
        let timeline = FairMutex::new(Timeline::new(config, &window, Arc::clone(generation), now_ms));
        Self { window, timeline, last_full_fold_ms: AtomicI64::new(now_ms) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Timeline> {
        lock_or_abort(&self.timeline)
    }

    /// The timeline, unless another thread holds it or waits for it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Timeline>> {
        try_lock_or_abort(&self.timeline)
    }

    /// Whether a thread waits for the timeline.
    #[cfg(test)]
    pub(super) fn has_waiter(&self) -> bool {
        self.timeline.has_waiter()
    }

    pub(super) fn last_full_fold_ms(&self) -> i64 {
        self.last_full_fold_ms.load(Ordering::Relaxed)
    }

    /// Records that a fold which started at `ms` has left nothing behind.
    pub(super) fn note_full_fold(&self, ms: i64) {
        self.last_full_fold_ms.store(ms, Ordering::Relaxed);
    }
}

/// Waits for the cut or for a timeline.
pub(super) fn lock_or_abort<T>(mutex: &FairMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|_| abort_on_poison())
}

/// The cut or a timeline, unless another thread holds it or waits for it.
pub(super) fn try_lock_or_abort<T>(mutex: &FairMutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(_)) => abort_on_poison(),
    }
}

/// A panic under a timeline's lock has left the timeline inconsistent, so no later answer could be trusted.
fn abort_on_poison() -> ! {
    let _ = writeln!(std::io::stderr(), "weir: a fold has panicked; the answers can no longer be trusted");
    std::process::abort()
}
