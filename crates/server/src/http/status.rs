//! `GET /status`: the service's own metrics that the dashboard shows, as JSON. The exposition reads the same metrics.

use crate::http::app::App;
use crate::http::openapi_errors::StatusErrors;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::response::{to_json, uncached_json};
#[cfg(feature = "cluster")]
use crate::log::EventLog;
use crate::log::{LogSnapshot, LogState, StoreStatus};
use crate::process;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use std::sync::Arc;
use weir::format_ms;
use weir_api::{ClusterStatus, JournalState, JournalStatus, LatencyBucket, StatusResponse};
#[cfg(feature = "cluster")]
use weir_log::jetstream;
use weir_log::journal::{self, Span};

/// The service's own metrics that the dashboard shows.
#[utoipa::path(
    get, path = "/status", tag = "service", operation_id = "status",
    responses(
        (status = 200, description = "The metrics.", body = StatusResponse, content_type = "application/json"),
        StatusErrors
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    if let Some(parameter) = parameters(uri.query()).next() {
        return Err(parameter.unknown());
    }
    Ok(uncached_json(app.responses.charge_response(to_json(&status(&app)))?))
}

fn status(app: &App) -> StatusResponse {
    let metrics = &app.server_metrics;
    let ingest = metrics.requests.read().find(|of| (of.route, of.method) == ("/events", "POST"));
    let bucket = |requests: &mut u64, (bound_secs, more): (f64, u64)| {
        *requests += more;
        Some(LatencyBucket { le_sec: bound_secs.is_finite().then_some(bound_secs), requests: *requests })
    };
    let (journal, cluster) = store(app);
    StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: format_ms(metrics.started_ms),
        resident_bytes: process::resident_bytes(),
        verdicts: metrics.verdicts.read().map(|(verdict, events)| (verdict.to_owned(), events)).collect(),
        ingest_latency: ingest.into_iter().flat_map(|of| of.durations.buckets).scan(0, bucket).collect(),
        journal,
        cluster,
    }
}

/// The store of a log: a journal or a cluster.
fn store(app: &App) -> (Option<JournalStatus>, Option<ClusterStatus>) {
    let Some(log) = app.intake.log() else { return (None, None) };
    let Some(snapshot) = log.snapshot() else { return (None, None) };
    match &snapshot.store {
        StoreStatus::Journal(status) => (Some(journal(&snapshot, status)), None),
        #[cfg(feature = "cluster")]
        StoreStatus::Cluster(status) => (None, Some(cluster(app, log, &snapshot, status))),
    }
}

fn journal(snapshot: &LogSnapshot, journal: &journal::Status) -> JournalStatus {
    let LogSnapshot { state, figures, replay_done_ratio, .. } = snapshot;
    let state = match state {
        LogState::Replaying { .. } => JournalState::Replaying,
        LogState::Failed(..) => JournalState::Failed,
        LogState::ClockJumped(_) => JournalState::ClockJumped,
        LogState::Stopped => JournalState::Stopped,
        // The last two are states of a cluster.
        LogState::Ready | LogState::ClockOff(_) | LogState::Unavailable(_) => JournalState::Ready,
    };
    let entries = |span: Span| (span.last.0 + 1).saturating_sub(span.first.0);
    JournalStatus {
        state: state.as_str().to_owned(),
        entries: entries(journal.frames) + entries(journal.reference),
        place: journal.frames.last.0,
        applied_place: figures.applied.0,
        live_bytes: journal.live_bytes(),
        max_bytes: journal.max_bytes,
        file_bytes: journal.file_bytes,
        free_bytes: journal.free_bytes,
        replay_done_ratio: *replay_done_ratio,
        waiting_rows: figures.waiting_rows,
        lag_ms: figures.lag_ms,
    }
}

#[cfg(feature = "cluster")]
fn cluster(app: &App, log: &EventLog, snapshot: &LogSnapshot, status: &jetstream::Status) -> ClusterStatus {
    let LogSnapshot { state, figures, replay_done_ratio, age_ms, .. } = snapshot;
    let (frames, reference) = (&status.frames, &status.reference);
    ClusterStatus {
        node: log.node().to_owned(),
        state: state.name().to_owned(),
        detail: state.detail(),
        is_connected: status.is_connected,
        place: frames.last,
        applied_place: figures.applied.0,
        age_ms: *age_ms,
        clock_offset_ms: figures.clock_offset_ms,
        peers: figures.peers,
        is_peer_full: figures.is_peer_full,
        disputed: figures.judgements_disputed + figures.suspect_frames,
        generation: app.engine.reference().number(),
        bytes: frames.bytes,
        max_bytes: frames.max_bytes,
        replay_done_ratio: *replay_done_ratio,
        waiting_rows: figures.waiting_rows,
        waiting_reads: figures.waiting_barriers,
        lag_ms: figures.lag_ms,
        resent: frames.resent + reference.resent,
        reader_restarts: frames.reader_restarts + reference.reader_restarts,
    }
}
