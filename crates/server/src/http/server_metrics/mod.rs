//! The metrics that the server collects while it works: plain atomics without locks, which a scrape reads.
//!
//! Each counter is independent and orders no other memory, so every access is Relaxed. A reader may see a request in
//! one of two counters before it is in the other.

mod counters;
mod requests;

pub(super) use counters::{Counters, VerdictCounters};
pub(super) use requests::{MethodSnapshot, RequestMetrics};

use crate::histogram::{Histogram, HistogramSnapshot, STAGE_BOUNDS_NS};
use crate::http::problem::Overload;
use std::sync::Arc;
use std::time::Duration;
use weir::{Observer, Stage};

/// All metrics that the server collects.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) verdicts: VerdictCounters,
    pub(super) requests: RequestMetrics,
    pub(super) stages: Arc<StageDurations>,
    /// Requests and connections that were rejected because a capacity was used up, by [`Overload`].
    pub(super) overloads: Counters<{ Overload::ALL.len() }>,
    /// The start of the server, in milliseconds since the Unix epoch by the clock of the engine.
    pub(super) started_ms: i64,
}

impl ServerMetrics {
    /// All counters at zero.
    pub(super) fn new(started_ms: i64) -> Self {
        Self {
            verdicts: VerdictCounters::default(),
            requests: RequestMetrics::default(),
            stages: Arc::default(),
            overloads: Counters::new(Overload::ALL.map(Overload::name)),
            started_ms,
        }
    }

    /// Counts the rejection of a request or a connection.
    pub(super) fn count_overload(&self, overload: Overload) {
        self.overloads.add(overload as usize, 1);
    }
}

/// The durations of the stages of the engine, by [`Stage`].
#[derive(Debug)]
pub(super) struct StageDurations([Histogram; Stage::ALL.len()]);

impl Default for StageDurations {
    fn default() -> Self {
        Self(Stage::ALL.map(|_| Histogram::new(STAGE_BOUNDS_NS)))
    }
}

impl StageDurations {
    /// A snapshot of each stage, with the name of the stage.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, HistogramSnapshot)> {
        Stage::ALL.into_iter().zip(&self.0).map(|(stage, histogram)| (stage.name(), histogram.read()))
    }
}

impl Observer for StageDurations {
    fn observe(&self, stage: Stage, elapsed: Duration) {
        self.0[stage as usize].observe(elapsed);
    }
}
