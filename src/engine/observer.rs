//! The stages of the engine, and the observer that their durations are reported to.

use crate::sync::OnceLock;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stage of the engine's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// From the bytes of a body to a batch. A body that [`Engine::try_decode_fast`](crate::Engine::try_decode_fast)
    /// returns undecoded is not reported.
    Decode,
    /// The claims of a batch's ids.
    Claim,
    /// The appends of a batch's events to the window.
    Append,
    /// A fold of a slice of the window into the timeline. A fold that finds nothing is not reported.
    Fold,
    /// The answer to a query, the wait for the timeline included. The fold of a query is also reported as a fold.
    Query,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 5] = [Self::Decode, Self::Claim, Self::Append, Self::Fold, Self::Query];

    /// The name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Claim => "claim",
            Self::Append => "append",
            Self::Fold => "fold",
            Self::Query => "query",
        }
    }
}

/// Receives the duration of each stage.
pub trait Observer: Send + Sync {
    /// One run of `stage` took `elapsed`.
    ///
    /// The thread that did the work calls this, after a fold with the timeline's lock held. So it must neither wait nor
    /// panic: a panic under the lock aborts the process.
    fn observe(&self, stage: Stage, elapsed: Duration);
}

/// Measures stages and reports them to the observer, if there is one.
#[derive(Default)]
pub(super) struct StageTimer {
    observer: OnceLock<Arc<dyn Observer>>,
}

impl StageTimer {
    /// Sets the observer unless there is one already; returns whether it was set.
    pub(super) fn set_observer(&self, observer: Arc<dyn Observer>) -> bool {
        self.observer.set(observer).is_ok()
    }

    /// Does `work` and reports how long it took.
    pub(super) fn timed<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        self.timed_if(stage, |_| true, work)
    }

    /// Does `work`, and reports how long it took only if `counts(&result)` is true.
    pub(super) fn timed_if<T>(&self, stage: Stage, counts: impl FnOnce(&T) -> bool, work: impl FnOnce() -> T) -> T {
        let (done, elapsed) = self.measured(work);
        self.report(stage, elapsed.filter(|_| counts(&done)));
        done
    }

    /// Does `work`; with an observer, also returns how long it took.
    pub(super) fn measured<T>(&self, work: impl FnOnce() -> T) -> (T, Option<Duration>) {
        let start = self.observer.get().map(|_| Instant::now());
        (work(), start.map(|start| start.elapsed()))
    }

    /// Reports work that was measured. Never called between a claim and its append: an observer is foreign code, and
    /// nothing may fail there.
    pub(super) fn report(&self, stage: Stage, elapsed: Option<Duration>) {
        if let (Some(observer), Some(elapsed)) = (self.observer.get(), elapsed) {
            observer.observe(stage, elapsed);
        }
    }
}
