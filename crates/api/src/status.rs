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
    "ingest_latency": [{"le_sec": 0.000_25, "requests": 1}, {"le_sec": null, "requests": 2}],
    "journal": {
        "state": "ready", "entries": 12, "place": 340, "applied_place": 340, "live_bytes": 1_310_720,
        "max_bytes": 17_179_869_184_u64, "file_bytes": 4_198_400, "free_bytes": 99_000_000_000_u64,
        "replay_done_ratio": 1.0, "waiting_rows": 0, "lag_ms": 0
    },
    "cluster": null
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
    /// The journal of the server. It is null without a journal.
    #[serde(default)]
    #[schema(required)]
    pub journal: Option<JournalStatus>,
    /// The cluster of the server, as this node knows it. It is null without a cluster.
    #[serde(default)]
    #[schema(required)]
    pub cluster: Option<ClusterStatus>,
}

/// The journal of a server: the log from which a restart restores all that the server has acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalStatus {
    /// Whether the journal takes entries, and if not, why. It is text, because a newer server may have further states.
    #[schema(value_type = JournalState)]
    pub state: String,
    /// The entries that are in the journal.
    pub entries: u64,
    /// The newest place of the batches in the journal: the number of all frames since the journal was created.
    pub place: u64,
    /// The newest place that the server has applied.
    pub applied_place: u64,
    /// The bytes of the entries in the journal.
    pub live_bytes: u64,
    /// The size limit of the entries. New events are refused at 90 % of it.
    pub max_bytes: u64,
    /// The bytes that the file takes on the disk. It is null if the operating system does not report it.
    #[schema(required)]
    pub file_bytes: Option<u64>,
    /// The free bytes of the disk when the journal last checked. It is null before the first entry.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// The part of the journal that was replayed after the start, 0 to 1.
    pub replay_done_ratio: f64,
    /// The rows of batches that wait for their place or for their application.
    pub waiting_rows: usize,
    /// How long the oldest frame that is not applied has been on its way, in milliseconds.
    pub lag_ms: i64,
}

/// The state of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JournalState {
    /// The server replays the journal after its start.
    Replaying,
    /// The journal takes entries.
    Ready,
    /// The disk has failed. Nothing is accepted before a restart; queries go on.
    Failed,
    /// The clock of the machine has jumped. Nothing is accepted before it is right again; queries go on.
    ClockJumped,
    /// The server is stopping.
    Stopped,
}

/// A node of a cluster: which one it is, and how far it has applied the log that all nodes share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// The name of the node that answers.
    pub node: String,
    /// Whether the node takes events, and if not, why. It is text, because a newer server may have further states.
    #[schema(value_type = ClusterState)]
    pub state: String,
    /// The state in one line, for people.
    pub detail: String,
    /// Whether the node is connected to a NATS server.
    pub is_connected: bool,
    /// The newest place of the batches in the log, as far as this node knows.
    pub place: u64,
    /// The newest place that this node has applied.
    pub applied_place: u64,
    /// How old the newest entry is that this node has applied, in milliseconds. Each node writes two a second.
    pub age_ms: i64,
    /// How far the clock of the log is ahead of the clock of this node, in milliseconds. It is null before the first
    /// entry of the node.
    #[schema(required)]
    pub clock_offset_ms: Option<i64>,
    /// The other nodes that this node has heard in the last seconds.
    pub peers: usize,
    /// Whether one of them has no capacity for more events. Then no node takes events, because each one keeps all.
    pub is_peer_full: bool,
    /// Frames about which this node disagrees with what the log has recorded. Above 0, one node is wrong.
    pub disputed: u64,
    /// The number of the reference table in force on this node.
    pub generation: u64,
    /// The bytes of the batches in the log.
    pub bytes: u64,
    /// The size limit of these bytes. New events are refused at 90 % of it. It is null if there is none.
    #[schema(required)]
    pub max_bytes: Option<u64>,
    /// The part of the log that was replayed after the start, 0 to 1.
    pub replay_done_ratio: f64,
    /// The rows of batches that wait for their place or for their application.
    pub waiting_rows: usize,
    /// The reads that wait until this node is up to date.
    pub waiting_reads: usize,
    /// How long the oldest own frame that is not applied has been on its way, in milliseconds.
    pub lag_ms: i64,
    /// The entries that this node has sent more than once.
    pub resent: u64,
    /// How often a reader of the log had to begin again, because the servers were silent or skipped entries.
    pub reader_restarts: u64,
}

/// The state of a node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterState {
    /// The node replays the log after its start.
    Replaying,
    /// The node takes events.
    Ready,
    /// The node hears nothing new of the log: there is no quorum of NATS servers, or no way to them.
    LogUnavailable,
    /// The clock of the node is too far from the clock of the log. Nothing is accepted before it is right again.
    ClockOff,
    /// The NATS servers have lost entries that this node has read. Nothing is accepted before a restart.
    LogWentBack,
    /// The node has judged a batch otherwise than the log has recorded. Nothing is accepted before a restart.
    OutcomesDiffer,
    /// The log cannot be read any more. Nothing is accepted before a restart.
    LogFailed,
    /// The server is stopping.
    Draining,
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

impl JournalState {
    /// The state as it is in `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replaying => "replaying",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::ClockJumped => "clock_jumped",
            Self::Stopped => "stopped",
        }
    }
}

impl ClusterState {
    /// The state as it is in `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replaying => "replaying",
            Self::Ready => "ready",
            Self::LogUnavailable => "log_unavailable",
            Self::ClockOff => "clock_off",
            Self::LogWentBack => "log_went_back",
            Self::OutcomesDiffer => "outcomes_differ",
            Self::LogFailed => "log_failed",
            Self::Draining => "draining",
        }
    }
}
