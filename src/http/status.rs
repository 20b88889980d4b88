//! `GET /status`: the server's own figures that the dashboard shows, as JSON. The exposition reads the same
//! instruments.

use crate::http::instruments::Instruments;
use crate::http::openapi::problems::OfStatus;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::{App, NO_STORE, body, json_response};
use crate::{event, process};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// The server's own figures that the dashboard shows. `/metrics/prometheus` has the same ones, and more.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
#[schema(example = json!({
    "version": "0.1.0", "started_at": "2025-10-08T12:00:00.000Z", "resident_bytes": 25_165_824,
    "verdicts": {"accepted": 3, "duplicate_event": 1},
    "ingest_latency": [{"le_sec": 0.000_25, "requests": 1}, {"le_sec": null, "requests": 2}]
}))]
struct Document {
    version: &'static str,
    #[schema(format = DateTime)]
    started_at: String,
    /// Resident memory of the process. It is null where the operating system does not report it.
    #[schema(required)]
    resident_bytes: Option<usize>,
    /// Judged events since the start of the server, by verdict: `accepted`, or the code of the error.
    #[schema(value_type = BTreeMap<String, u64>)]
    verdicts: BTreeMap<&'static str, u64>,
    /// A cumulative histogram of the duration of `POST /events` since the start of the server, from the head of the
    /// request to the head of its response. It is empty before the first request.
    ingest_latency: Vec<Bucket>,
}

/// A bucket of a cumulative histogram: the number of requests that took at most `le_sec` seconds.
#[derive(Serialize, ToSchema)]
struct Bucket {
    /// Upper bound. It is null in the last bucket, which counts all requests.
    #[schema(required)]
    le_sec: Option<f64>,
    requests: u64,
}

impl Document {
    fn of(instruments: &Instruments) -> Self {
        let ingest = instruments.requests.read().find(|asked| (asked.route, asked.method) == ("/events", "POST"));
        let bucket = |requests: &mut u64, (bound_secs, more): (f64, u64)| {
            *requests += more;
            Some(Bucket { le_sec: bound_secs.is_finite().then_some(bound_secs), requests: *requests })
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: event::format_ms(instruments.started_ms),
            resident_bytes: process::resident_bytes(),
            verdicts: instruments.verdicts.read().collect(),
            ingest_latency: ingest.into_iter().flat_map(|asked| asked.durations.buckets).scan(0, bucket).collect(),
        }
    }
}

/// The server's own figures that the dashboard shows.
#[utoipa::path(
    get, path = "/status", tag = "service", operation_id = "status",
    responses(
        (status = 200, description = "The figures.", body = Document, content_type = "application/json"),
        OfStatus
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    if let Some(parameter) = parameters(uri.query()).next() {
        return Err(parameter.unknown());
    }
    let json = serde_json::to_vec(&Document::of(&app.instruments)).expect("strings and numbers always serialise");
    let mut response = json_response(body::answer(&app, json)?);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
