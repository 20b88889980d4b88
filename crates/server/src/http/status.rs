//! `GET /status`: the service's own metrics that the dashboard shows, as JSON. The exposition reads the same metrics.

use crate::http::app::App;
use crate::http::openapi_errors::StatusErrors;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::response::{to_json, uncached_json};
use crate::http::server_metrics::ServerMetrics;
use crate::process;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use std::sync::Arc;
use weir::format_ms;
use weir_api::{LatencyBucket, StatusResponse};

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
    Ok(uncached_json(app.responses.charge_response(to_json(&status(&app.server_metrics)))?))
}

fn status(metrics: &ServerMetrics) -> StatusResponse {
    let ingest = metrics.requests.read().find(|of| (of.route, of.method) == ("/events", "POST"));
    let bucket = |requests: &mut u64, (bound_secs, more): (f64, u64)| {
        *requests += more;
        Some(LatencyBucket { le_sec: bound_secs.is_finite().then_some(bound_secs), requests: *requests })
    };
    StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: format_ms(metrics.started_ms),
        resident_bytes: process::resident_bytes(),
        verdicts: metrics.verdicts.read().map(|(verdict, events)| (verdict.to_owned(), events)).collect(),
        ingest_latency: ingest.into_iter().flat_map(|of| of.durations.buckets).scan(0, bucket).collect(),
    }
}
