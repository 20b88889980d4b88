//! What the server counts while it works: plain atomics that nobody waits for, read by whoever asks for the figures.
//!
//! Each is a statistic that stands alone and orders nothing, so every access is Relaxed. A reader may see a request in one
//! of two figures that are about to change together.

mod counters;
mod histogram;
mod requests;

pub(super) use counters::{Counters, VerdictCounters};
pub(super) use histogram::{Histogram, HistogramSnapshot};
pub(super) use requests::{MethodSnapshot, RequestMetrics};

use crate::http::problem::Overload;
use std::sync::Arc;
use std::time::Duration;
use weir::{Observer, Stage};

/// All metrics of the server.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) verdicts: VerdictCounters,
    pub(super) requests: RequestMetrics,
    pub(super) stages: Arc<StageDurations>,
    /// Requests and connections that were refused for want of room, by [`Overload`].
    pub(super) overloads: Counters<{ Overload::ALL.len() }>,
    /// When the server began, in milliseconds of the engine's time.
    pub(super) started_ms: i64,
}

impl ServerMetrics {
    /// With everything at nought.
    pub(super) fn new(started_ms: i64) -> Self {
        Self {
            verdicts: VerdictCounters::default(),
            requests: RequestMetrics::default(),
            stages: Arc::default(),
            overloads: Counters::new(Overload::ALL.map(Overload::name)),
            started_ms,
        }
    }

    /// Something was refused.
    pub(super) fn refused(&self, overload: Overload) {
        self.overloads.add(overload as usize, 1);
    }
}

/// How long the engine's stages take, by [`Stage`].
#[derive(Debug)]
pub(super) struct StageDurations([Histogram; Stage::ALL.len()]);

impl Default for StageDurations {
    fn default() -> Self {
        Self(Stage::ALL.map(|_| Histogram::new(histogram::STAGE_BOUNDS_NS)))
    }
}

impl StageDurations {
    /// The stages' names, and what was read of each.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, HistogramSnapshot)> {
        Stage::ALL.into_iter().zip(&self.0).map(|(stage, histogram)| (stage.name(), histogram.read()))
    }
}

impl Observer for StageDurations {
    fn observe(&self, stage: Stage, elapsed: Duration) {
        self.0[stage as usize].observe(elapsed);
    }
}
