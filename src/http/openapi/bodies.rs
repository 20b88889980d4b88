//! What is sent, and the answers that are written by hand: for speed, or because their members depend on the
//! configuration. Real answers are held against these by `tests/server/http/openapi.rs`.
#![allow(dead_code, reason = "the types describe what is read and written elsewhere, by hand")]

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a body may be coded.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum ContentCoding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878, with a window of up to 8 MiB.
    Zstd,
    /// As it is.
    Identity,
}

/// One event. Members beside these are ignored.
#[derive(ToSchema)]
#[schema(example = json!({"event_id": "e-1", "user_id": "u-123", "type": "{event_type}", "ts": "2025-10-08T12:34:56.789Z"}))]
pub(in crate::http) struct Event {
    /// 1 to 256 bytes. Of all events with one id one is counted.
    #[schema(min_length = 1, max_length = 256)]
    event_id: String,
    /// 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    user_id: String,
    /// One of the configured types.
    r#type: String,
    /// When it happened (RFC 3339), within the skew of the server's clock.
    #[schema(format = DateTime)]
    ts: String,
}

/// One event, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum Events {
    /// One.
    One(Event),
    /// Several.
    Several(Vec<Event>),
}

/// What became of a batch. The counts add up to its events.
#[derive(ToSchema)]
#[schema(example = json!({
    "results": [
        {"event_id": "e-1", "status": "success"},
        {"event_id": "e-1", "status": "error", "code": "duplicate_event", "index": 1, "message": "event_id was already accepted"}
    ],
    "accepted": 1, "duplicates": 1, "rejected": 0
}))]
pub(in crate::http) struct Receipt {
    /// In the order of the request; with `Prefer: return=minimal` those of refused events only.
    results: Vec<EventResult>,
    /// Events that are counted from now on.
    accepted: u64,
    /// Events that were accepted before.
    duplicates: u64,
    /// Events that were refused; they have not used up their ids.
    rejected: u64,
}

/// What became of an event.
#[derive(ToSchema)]
pub(in crate::http) struct EventResult {
    /// Null unless it is a valid id that stands there once.
    #[schema(required)]
    event_id: Option<String>,
    #[schema(inline)]
    status: Status,
    /// Of an error.
    #[schema(inline)]
    code: Option<VerdictCode>,
    /// Of an error: the event's place in the request, from 0 on.
    index: Option<u64>,
    /// Of an error, for a person.
    message: Option<String>,
}

/// Whether an event was accepted.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Status {
    Success,
    Error,
}

/// Why an event was not accepted.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum VerdictCode {
    MalformedJson,
    InvalidEvent,
    InvalidTimestamp,
    TooLate,
    TooEarly,
    DuplicateEvent,
    Overloaded,
}

/// A table of users.
#[derive(ToSchema)]
#[schema(example = json!({"user_metadata": {"u-123": {"{attribute}": "some"}}, "ts": "2025-10-08T12:00:00.000Z"}))]
pub(in crate::http) struct Table {
    /// By user id.
    user_metadata: BTreeMap<String, Attributes>,
    /// When it was true (RFC 3339). An older table never replaces a newer one.
    #[schema(format = DateTime)]
    ts: String,
}

/// A user's attributes. Members beside these are ignored.
#[derive(ToSchema)]
pub(in crate::http) struct Attributes {
    #[serde(rename = "{attribute}")]
    #[schema(min_length = 1, max_length = 128)]
    attribute: String,
}

/// A merge patch (RFC 7396) of a table.
#[derive(ToSchema)]
#[schema(example = json!({"user_metadata": {"u-123": {"{attribute}": "other"}, "u-9": null}, "ts": "2025-10-08T12:00:01.000Z"}))]
pub(in crate::http) struct TablePatch {
    /// By user id; null deletes the user.
    user_metadata: BTreeMap<String, UserPatch>,
    /// When it was true (RFC 3339).
    #[schema(format = DateTime)]
    ts: String,
}

/// What becomes of a user.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum UserPatch {
    /// The user is in the table, with these attributes.
    Change(AttributesPatch),
    /// Null: the user is not.
    Delete,
}

/// The attributes of a user that change; all of them for a new one.
#[derive(ToSchema)]
pub(in crate::http) struct AttributesPatch {
    #[serde(rename = "{attribute}")]
    #[schema(min_length = 1, max_length = 128)]
    attribute: Option<String>,
}

/// A user of the table in force.
#[derive(ToSchema)]
#[schema(example = json!({"user_id": "u-123", "{attribute}": "some"}))]
pub(in crate::http) struct User {
    user_id: String,
    #[serde(rename = "{attribute}")]
    attribute: String,
}

/// The figures of a window, all under one reference table.
#[derive(ToSchema)]
#[schema(example = json!({
    "window_sec": 60, "events_per_sec": 0.05, "unique_users": 2, "unknown": 1, "by_{attribute}": {"some": 2},
    "by_type": {"{event_type}": 3}, "total_events": 3, "generation": 7, "as_of": "2025-10-08T12:34:56.789Z"
}))]
pub(in crate::http) struct Metrics {
    /// The window: the whole seconds up to now, the current one included as far as it has come.
    window_sec: u32,
    /// `total_events / window_sec`.
    events_per_sec: f64,
    /// Distinct users.
    unique_users: u64,
    /// Events of users who are not in the table.
    unknown: u64,
    /// Events by value; those of known users only.
    #[serde(rename = "by_{attribute}")]
    by_attribute: BTreeMap<String, u64>,
    /// Events by type.
    by_type: BTreeMap<String, u64>,
    /// Events.
    total_events: u64,
    /// The number of the reference table; 0 before the first one.
    generation: u64,
    /// The time of the answer.
    #[schema(format = DateTime)]
    as_of: String,
    /// With `group_by`: the combinations that have events, sorted, the one of unknown users last.
    groups: Option<Vec<Group>>,
}

/// A combination of values: a member for each attribute of `group_by`, null for users who are not in the table.
#[derive(ToSchema)]
pub(in crate::http) struct Group {
    #[serde(rename = "{attribute}")]
    attribute: Option<String>,
    /// Events.
    events: u64,
    /// Distinct users.
    unique_users: u64,
}

/// A window step by step.
#[derive(ToSchema)]
#[schema(example = json!({
    "window_sec": 10, "step_sec": 10, "points": [{
        "start": "2025-10-08T12:34:47.000Z", "events": 3, "unique_users": 2, "unknown": 1, "by_{attribute}": {"some": 2},
        "by_type": {"{event_type}": 3}
    }], "generation": 7, "as_of": "2025-10-08T12:34:56.789Z"
}))]
pub(in crate::http) struct Series {
    window_sec: u32,
    step_sec: u32,
    /// Oldest first. Their events add up to those of the window.
    points: Vec<Point>,
    /// The number of the reference table.
    generation: u64,
    /// The time of the answer.
    #[schema(format = DateTime)]
    as_of: String,
}

/// The figures of a step.
#[derive(ToSchema)]
pub(in crate::http) struct Point {
    /// When its first second starts.
    #[schema(format = DateTime)]
    start: String,
    /// Events.
    events: u64,
    /// Distinct users within the step.
    unique_users: u64,
    /// Events of users who are not in the table.
    unknown: u64,
    #[serde(rename = "by_{attribute}")]
    by_attribute: BTreeMap<String, u64>,
    /// Events by type.
    by_type: BTreeMap<String, u64>,
}

/// The process serves.
#[derive(ToSchema)]
#[schema(example = json!({"ok": true}))]
pub(in crate::http) struct Healthy {
    ok: bool,
}
