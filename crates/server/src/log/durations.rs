//! How long the log takes, and how much goes into it. Each counter is independent, so every access is Relaxed.

use crate::histogram::{Histogram, STAGE_BOUNDS_NS};
use std::sync::atomic::{AtomicU64, Ordering};

/// The durations of the log, and the bytes of its frames.
#[derive(Debug)]
pub(crate) struct LogDurations {
    /// From the submission of a batch to its answer.
    pub(crate) log: Histogram,
    /// The application of a frame to the engine.
    pub(crate) apply: Histogram,
    /// From the append of a frame to its place.
    pub(crate) append: Histogram,
    /// From the question of a read to the answer that this node is up to date.
    pub(crate) barrier: Histogram,
    /// A commit of the journal, with its fsync.
    pub(crate) commit: Histogram,
    frame_bytes: AtomicU64,
}

impl Default for LogDurations {
    fn default() -> Self {
        let histogram = || Histogram::new(STAGE_BOUNDS_NS);
        Self {
            log: histogram(),
            apply: histogram(),
            append: histogram(),
            barrier: histogram(),
            commit: histogram(),
            frame_bytes: AtomicU64::new(0),
        }
    }
}

impl LogDurations {
    pub(crate) fn add_frame_bytes(&self, bytes: usize) {
        self.frame_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The bytes of all frames that were appended since the start.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.frame_bytes.load(Ordering::Relaxed)
    }
}
