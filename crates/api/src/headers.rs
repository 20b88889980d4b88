//! The less common header fields and the media types of the HTTP API. All names are in lower case.

/// The response field that lists the media types of `PATCH /reference/users` (RFC 5789).
pub const ACCEPT_PATCH: &str = "accept-patch";

/// The request field with the preferences of the client (RFC 7240).
pub const PREFER: &str = "prefer";

/// The response field with the preferences that the server has applied (RFC 7240).
pub const PREFERENCE_APPLIED: &str = "preference-applied";

/// The preference for a response that lists only rejected events (RFC 7240).
pub const RETURN_MINIMAL: &str = "return=minimal";

/// The response field that controls buffering by nginx. With `no`, nginx passes the bytes of a stream on immediately.
pub const X_ACCEL_BUFFERING: &str = "x-accel-buffering";

/// The response field of an answer that may be behind other nodes of a cluster: by how many milliseconds.
pub const WEIR_BEHIND_MS: &str = "weir-behind-ms";

/// JSON (RFC 8259).
pub const JSON: &str = "application/json";

/// Newline-delimited JSON: one JSON value per line.
pub const NDJSON: &str = "application/x-ndjson";

/// Other media types that mean [`NDJSON`].
pub const NDJSON_ALIASES: [&str; 2] = ["application/jsonl", "application/ndjson"];

/// Plain text. Where web pages of other origins may post events, it contains JSON.
pub const TEXT_PLAIN: &str = "text/plain";

/// The content codings of request bodies that the server decodes, as the value of `Accept-Encoding`.
pub const ACCEPTED_CODINGS: &str = "gzip, zstd, identity";

/// A merge patch (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// A problem document (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Server-sent events (WHATWG HTML, 9.2).
pub const EVENT_STREAM: &str = "text/event-stream";
