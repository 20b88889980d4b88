//! `GET /status`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The service's own metrics that the dashboard shows. `/metrics/prometheus` has the same metrics, and more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
#[schema(example = json!({
    "version": "0.1.0", "started_at": "2025-10-08T12:00:00.000Z", "resident_bytes": 25_165_824,
    "verdicts": {"accepted": 3, "duplicate_event": 1},
    "ingest_latency": [{"le_sec": 0.000_25, "requests": 1}, {"le_sec": null, "requests": 2}]
}))]
pub struct StatusResponse {
    /// The version of the server.
    pub version: String,
    /// When the server started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Resident memory of the process. It is null where the operating system does not report it.
    #[schema(required)]
    pub resident_bytes: Option<usize>,
    /// Events since the start of the server, by verdict: `accepted`, or the code of the error.
    pub verdicts: BTreeMap<String, u64>,
    /// A cumulative histogram of the duration of `POST /events` since the start of the server, from the head of the
    /// request to the head of its response. It is empty before the first request.
    pub ingest_latency: Vec<LatencyBucket>,
}

/// A bucket of a cumulative histogram: the number of requests that took at most `le_sec` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatencyBucket {
    /// Upper bound. It is null in the last bucket, which counts all requests.
    #[schema(required)]
    pub le_sec: Option<f64>,
    /// The requests within the bound.
    pub requests: u64,
}
