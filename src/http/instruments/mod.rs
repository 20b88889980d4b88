//! What the server counts while it works: plain atomics that nobody waits for, read by whoever asks for the figures.
//!
//! Each is a statistic that stands alone and orders nothing, so every access is Relaxed. A reader may see a request in one
//! of two figures that are about to change together.

mod counters;
mod histogram;
mod requests;

pub(super) use counters::{Counters, Verdicts};
pub(super) use histogram::{Histogram, Reading};
pub(super) use requests::{Asked, Requests};

use crate::engine::{Observer, Stage};
use crate::http::App;
use crate::http::problem::Overload;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All of the instruments.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) verdicts: Verdicts,
    pub(super) requests: Requests,
    pub(super) stages: Arc<Stages>,
    /// Requests and connections that were refused for want of room, by [`Overload`].
    pub(super) overloads: Counters<{ Overload::ALL.len() }>,
    /// When the server began, in milliseconds of the engine's time.
    pub(super) started_ms: i64,
}

impl Instruments {
    /// With everything at nought.
    pub(super) fn new(started_ms: i64) -> Self {
        Self {
            verdicts: Verdicts::default(),
            requests: Requests::default(),
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
pub(super) struct Stages([Histogram; Stage::ALL.len()]);

impl Default for Stages {
    fn default() -> Self {
        Self(Stage::ALL.map(|_| Histogram::new(histogram::STAGE_BOUNDS_NS)))
    }
}

impl Stages {
    /// The stages' names, and what was read of each.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, Reading)> {
        Stage::ALL.into_iter().zip(&self.0).map(|(stage, histogram)| (stage.name(), histogram.read()))
    }
}

impl Observer for Stages {
    fn observe(&self, stage: Stage, elapsed: Duration) {
        self.0[stage as usize].observe(elapsed);
    }
}

/// Counts a request when its answer begins, and logs what was asked and how it went.
pub(super) async fn watch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let start = Instant::now();
    let response = next.run(request).await;
    let elapsed = start.elapsed();
    app.instruments.requests.count(route.as_ref().map(MatchedPath::as_str), &method, response.status(), elapsed);
    if let Some(overload) = response.extensions().get::<Overload>() {
        app.instruments.refused(*overload);
    }
    if let Some(path) = path {
        let (status, elapsed_us) = (response.status().as_u16(), elapsed.as_micros() as u64);
        tracing::debug!(%method, path, status, elapsed_us);
    }
    response
}
