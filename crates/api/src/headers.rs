//! Names of header fields beside the usual ones, and the media types of the interface. All names are in lower case.

/// The media types of `PATCH /reference/users` (RFC 5789).
pub const ACCEPT_PATCH: &str = "accept-patch";

/// What the client prefers (RFC 7240).
pub const PREFER: &str = "prefer";

/// Which preference the server has applied (RFC 7240).
pub const PREFERENCE_APPLIED: &str = "preference-applied";

/// The preference for an answer that lists rejected events only (RFC 7240).
pub const RETURN_MINIMAL: &str = "return=minimal";

/// `no` tells nginx to pass a stream on as it comes.
pub const X_ACCEL_BUFFERING: &str = "x-accel-buffering";

/// JSON (RFC 8259).
pub const JSON: &str = "application/json";

/// One JSON value a line.
pub const NDJSON: &str = "application/x-ndjson";

/// Other names that NDJSON goes by.
pub const NDJSON_ALIASES: [&str; 2] = ["application/jsonl", "application/ndjson"];

/// The content codings of request bodies that the server decodes, as the value of `Accept-Encoding`.
pub const ACCEPTED_CODINGS: &str = "gzip, zstd, identity";

/// A merge patch (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// A problem document (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Server-sent events (WHATWG HTML, 9.2).
pub const EVENT_STREAM: &str = "text/event-stream";
