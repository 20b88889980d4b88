//! Every way in which a whole request can fail, and the response for it (RFC 9457).

use crate::http::coding::{DecompressError, UnsupportedEncoding};
use crate::http::header;
use crate::http::media_type::UnsupportedMediaType;
use crate::http::response::{NO_STORE, to_json};
use crate::limits;
use crate::log::LogState;
use crate::tokens::AuthError;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use weir::{DecodeError, EndOutOfRange, Overloaded, ReferenceError, format_ms};
use weir_api::{ProblemCode, ProblemDocument, Role, headers};
use weir_log::NotLogged;

/// A whole request failed. No part of it was applied, unless the log is unavailable.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No resource has this path.
    NotFound,
    /// The resource does not support this method. The router adds `Allow`.
    MethodNotAllowed,
    /// The body arrived below the minimum rate for this long.
    RequestTimeout(Duration),
    /// The body is larger than `max_bytes`, as sent or after decompression.
    PayloadTooLarge { max_bytes: usize },
    /// The body has an allowed size, but its decoding needs more than the whole body memory budget of `max_bytes`.
    PayloadTooIntricate { max_bytes: usize },
    /// The request needs a token, and has none or an unknown one.
    Unauthorized { has_token: bool },
    /// The request needs this role, and its token has another one.
    Forbidden(Role),
    /// A web page of another origin makes the request, and its role needs no token.
    ForbiddenOrigin,
    /// The request names this host, which the server does not have, and its role needs no token.
    ForbiddenHost { host: String },
    /// The target is longer than the server allows.
    UriTooLong,
    /// The body contains more than `max` events.
    TooManyEvents { max: usize },
    /// The body has none of these media types. The field lists them in the response: `Accept` or `Accept-Patch`.
    UnsupportedMediaType { field: &'static HeaderName, media_types: &'static [&'static str] },
    /// The server does not support the content coding of the body.
    UnsupportedEncoding,
    /// The body does not match its `Content-Encoding`.
    MalformedEncoding,
    /// The body is a zstd frame with too large a window.
    ZstdWindowTooLarge,
    /// The body ended early, or its chunks are malformed.
    BrokenBody,
    /// The body is not valid JSON from the byte `offset` on.
    MalformedJson { offset: usize },
    /// `window` is not a whole number of seconds from 1 to `max_secs`.
    InvalidWindow { max_secs: u32 },
    /// Another parameter is invalid, for the reason in the text.
    InvalidParameter(String),
    /// The engine rejects a change of the reference table.
    Reference(ReferenceError),
    /// The reference table does not contain this user.
    UnknownUser,
    /// The server has no capacity for the request now.
    Overloaded(Overload),
    /// The log did not answer in time, or it has failed. Some of the request may have been applied.
    LogUnavailable,
    /// The log did not answer in time, so this node of a cluster does not know whether it is up to date.
    NotUpToDate,
    /// The server should get no new traffic, for the reason in the text.
    NotReady(String),
    /// The server replays its log: `replayed` of `total` frames.
    Replaying { replayed: u64, total: u64 },
    /// The server has a bug.
    Internal,
}

/// Which capacity is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overload {
    /// The adaptive limit of batches in flight is reached.
    AdaptiveLimit,
    /// The memory budget for bodies or responses is in use.
    BodyMemory,
    /// The queue of a concurrency limiter is full, or the request waited in it for too long.
    QueueFull,
    /// The client holds its whole part of a queue.
    ClientQueueFull,
    /// The engine has no capacity for a batch or a table: memory, the dedup table, or the backlog.
    EngineFull,
    /// As many live streams are open as the server allows.
    Streams,
    /// As many connections are open as the server allows.
    Connections,
    /// The log has no room for a batch or a change, or takes none now.
    Log,
}

impl Overload {
    /// All kinds, in the order of their discriminants.
    pub(crate) const ALL: [Self; 8] = [
        Self::AdaptiveLimit,
        Self::BodyMemory,
        Self::QueueFull,
        Self::ClientQueueFull,
        Self::EngineFull,
        Self::Streams,
        Self::Connections,
        Self::Log,
    ];

    /// The value of the label `reason` of `weir_overload_rejections_total`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AdaptiveLimit => "admission",
            Self::BodyMemory => "bodies",
            Self::QueueFull => "turns",
            Self::ClientQueueFull => "client",
            Self::EngineFull => "room",
            Self::Streams => "streams",
            Self::Connections => "connections",
            Self::Log => "log",
        }
    }
}

impl Problem {
    /// The stable code. Each code has one status and one title.
    pub(crate) const fn code(&self) -> ProblemCode {
        match self {
            Self::NotFound => ProblemCode::NotFound,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::Unauthorized { .. } => ProblemCode::Unauthorized,
            Self::Forbidden(_) => ProblemCode::Forbidden,
            Self::ForbiddenOrigin => ProblemCode::ForbiddenOrigin,
            Self::ForbiddenHost { .. } => ProblemCode::ForbiddenHost,
            Self::UriTooLong => ProblemCode::UriTooLong,
            Self::RequestTimeout(_) => ProblemCode::RequestTimeout,
            Self::PayloadTooLarge { .. } | Self::PayloadTooIntricate { .. } => ProblemCode::PayloadTooLarge,
            Self::TooManyEvents { .. } => ProblemCode::TooManyEvents,
            Self::UnsupportedMediaType { .. } => ProblemCode::UnsupportedMediaType,
            Self::UnsupportedEncoding => ProblemCode::UnsupportedEncoding,
            Self::MalformedEncoding | Self::ZstdWindowTooLarge | Self::BrokenBody => ProblemCode::MalformedEncoding,
            Self::MalformedJson { .. } | Self::Reference(ReferenceError::Malformed(_)) => ProblemCode::MalformedJson,
            Self::InvalidWindow { .. } => ProblemCode::InvalidWindow,
            Self::InvalidParameter(_) => ProblemCode::InvalidParameter,
            Self::Reference(ReferenceError::Invalid { .. }) => ProblemCode::InvalidReference,
            Self::Reference(ReferenceError::TimestampInFuture { .. }) => ProblemCode::TimestampInFuture,
            Self::Reference(ReferenceError::GenerationMismatch { .. }) => ProblemCode::GenerationMismatch,
            Self::Reference(ReferenceError::Stale { .. }) => ProblemCode::StaleReference,
            Self::UnknownUser => ProblemCode::UnknownUser,
            Self::Overloaded(_) | Self::Reference(ReferenceError::Overloaded) => ProblemCode::Overloaded,
            Self::LogUnavailable | Self::NotUpToDate => ProblemCode::LogUnavailable,
            Self::NotReady(_) | Self::Replaying { .. } => ProblemCode::NotReady,
            // The engine may get more errors. An error that the server does not know is its own fault.
            Self::Internal | Self::Reference(_) => ProblemCode::InternalError,
        }
    }

    /// What went wrong in this request, for people.
    fn detail(&self) -> String {
        match self {
            Self::NotFound => "no resource has this path".to_owned(),
            Self::MethodNotAllowed => {
                "this path does not support the method; Allow lists the methods that it supports".to_owned()
            }
            Self::Unauthorized { has_token: false } => "this request needs a bearer token".to_owned(),
            Self::Unauthorized { has_token: true } => "invalid token".to_owned(),
            Self::Forbidden(role) => {
                format!("the token does not have the role {:?}, which this request needs", role.name())
            }
            Self::ForbiddenOrigin => {
                "a web page of another origin may not make this request; --cors-origins lists origins that may read \
                 and post events"
                    .to_owned()
            }
            Self::ForbiddenHost { host } => {
                format!("this server does not have the host {host:?}; --allowed-hosts lists further hosts")
            }
            Self::UriTooLong => format!("the target is longer than {} bytes", limits::TARGET_BYTES_MAX),
            Self::RequestTimeout(grace) => format!(
                "the body arrived at less than {} bytes per second for {} seconds",
                limits::TRANSFER_BYTES_PER_SEC_MIN,
                grace.as_secs_f64()
            ),
            Self::PayloadTooLarge { max_bytes } => {
                format!("the body is larger than {max_bytes} bytes, as sent or after decompression")
            }
            Self::PayloadTooIntricate { max_bytes } => {
                format!("parsing this body needs more than the {max_bytes}-byte body memory budget")
            }
            Self::TooManyEvents { max } => {
                format!("a request may contain at most {max} events; split it into several requests")
            }
            Self::UnsupportedMediaType { media_types, .. } => {
                format!("the body must be {} in UTF-8", media_types.join(" or "))
            }
            Self::UnsupportedEncoding => {
                format!("the body must use one of these content codings: {}", headers::ACCEPTED_CODINGS)
            }
            Self::MalformedEncoding => {
                "the compressed body is corrupt, truncated, or followed by other data".to_owned()
            }
            Self::ZstdWindowTooLarge => format!(
                "the zstd window is larger than {} MiB; compress with a window log of at most {}, without --long",
                (1 << limits::ZSTD_WINDOW_LOG_MAX) >> 20,
                limits::ZSTD_WINDOW_LOG_MAX
            ),
            Self::BrokenBody => "the body ended early, or its chunks are malformed".to_owned(),
            Self::MalformedJson { offset } => format!("the body is not valid JSON at byte {offset}"),
            Self::InvalidWindow { max_secs } => format!("window must be a whole number of seconds, 1 to {max_secs}"),
            Self::InvalidParameter(detail) | Self::NotReady(detail) => detail.clone(),
            Self::Reference(error) => error.to_string(),
            Self::UnknownUser => "the reference table does not contain this user".to_owned(),
            Self::Overloaded(Overload::ClientQueueFull) => {
                "the queries of this client's address fill its part of the queue; send fewer at once".to_owned()
            }
            Self::Overloaded(_) => {
                "the server has no capacity for this request now; no part of it was applied".to_owned()
            }
            Self::LogUnavailable => {
                "the log did not answer in time, so some of this request may have been taken; send it again, and the \
                 answer shows what was taken"
                    .to_owned()
            }
            Self::NotUpToDate => {
                "the log of the cluster did not answer in time, so this node does not know whether it is up to date; \
                 ask again, or with consistency=local for an answer that may be behind"
                    .to_owned()
            }
            Self::Replaying { replayed, total } => LogState::Replaying { replayed: *replayed, total: *total }.detail(),
            Self::Internal => "the server failed; the request is not the cause".to_owned(),
        }
    }

    /// The capacity that was used up, if that is the problem.
    fn overload(&self) -> Option<Overload> {
        match self {
            Self::Overloaded(overload) => Some(*overload),
            Self::Reference(ReferenceError::Overloaded) => Some(Overload::EngineFull),
            _ => None,
        }
    }

    /// The problem document for the client.
    pub(super) fn document(&self) -> ProblemDocument {
        let mut document = ProblemDocument::new(self.code(), self.detail());
        match self {
            Self::MalformedJson { offset } => document.offset = Some(*offset),
            Self::Reference(ReferenceError::Malformed(malformed)) => document.offset = Some(malformed.offset),
            Self::Reference(ReferenceError::Invalid { pointer, .. }) => document.pointer = Some(pointer.clone()),
            Self::Reference(ReferenceError::GenerationMismatch { current }) => {
                document.current_generation = Some(*current);
            }
            Self::Reference(ReferenceError::Stale { current_ts_ms, current }) => {
                document.current_ts = Some(format_ms(*current_ts_ms));
                document.current_generation = Some(*current);
            }
            Self::Replaying { replayed, total } => {
                (document.replayed, document.total) = (Some(*replayed), Some(*total));
            }
            _ => {}
        }
        document
    }

    /// Adds the header fields that belong to the problem.
    fn add_headers(&self, fields: &mut HeaderMap) {
        match self {
            Self::UnsupportedMediaType { field, media_types } => {
                fields.insert(*field, header::value(media_types.join(", ")));
            }
            Self::UnsupportedEncoding => {
                fields.insert(ACCEPT_ENCODING, HeaderValue::from_static(headers::ACCEPTED_CODINGS));
            }
            // A challenge has an error code only if the request had a token (RFC 6750, 3).
            Self::Unauthorized { has_token } => {
                let challenge =
                    if *has_token { r#"Bearer realm="weir", error="invalid_token""# } else { r#"Bearer realm="weir""# };
                fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Forbidden(_) => {
                let challenge = r#"Bearer realm="weir", error="insufficient_scope""#;
                fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Overloaded(_)
            | Self::Reference(ReferenceError::Overloaded)
            | Self::LogUnavailable
            | Self::NotUpToDate
            | Self::NotReady(_)
            | Self::Replaying { .. } => {
                fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The rest of the body may never arrive, so the connection is useless now (RFC 9110, 15.5.9).
            Self::RequestTimeout(_) => {
                fields.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(to_json(&self.document())));
        let status = self.code().status();
        *response.status_mut() = StatusCode::from_u16(status).expect("a problem's status is a valid one");
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(headers::PROBLEM_JSON));
        fields.insert(CACHE_CONTROL, NO_STORE);
        self.add_headers(fields);
        // The layer that counts requests reads it from here.
        if let Some(overload) = self.overload() {
            response.extensions_mut().insert(overload);
        }
        response
    }
}

impl From<EndOutOfRange> for Problem {
    fn from(error: EndOutOfRange) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(malformed) => Self::MalformedJson { offset: malformed.offset },
            DecodeError::TooManyEvents { max } => Self::TooManyEvents { max },
            // The engine may get more errors. An error that the server does not know is its own fault.
            _ => Self::Internal,
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded(Overload::EngineFull)
    }
}

impl From<NotLogged> for Problem {
    fn from(error: NotLogged) -> Self {
        match error {
            NotLogged::Overloaded => Self::Overloaded(Overload::Log),
            NotLogged::Unavailable => Self::LogUnavailable,
        }
    }
}

impl From<ReferenceError> for Problem {
    fn from(error: ReferenceError) -> Self {
        Self::Reference(error)
    }
}

impl From<AuthError> for Problem {
    fn from(denied: AuthError) -> Self {
        match denied {
            AuthError::Unauthorized { has_token } => Self::Unauthorized { has_token },
            AuthError::Forbidden(role) => Self::Forbidden(role),
        }
    }
}

impl From<UnsupportedMediaType> for Problem {
    fn from(UnsupportedMediaType(accepts): UnsupportedMediaType) -> Self {
        Self::UnsupportedMediaType { field: &accepts.field, media_types: accepts.media_types }
    }
}

impl From<UnsupportedEncoding> for Problem {
    fn from(UnsupportedEncoding: UnsupportedEncoding) -> Self {
        Self::UnsupportedEncoding
    }
}

impl From<DecompressError> for Problem {
    fn from(undecoded: DecompressError) -> Self {
        match undecoded {
            DecompressError::Malformed => Self::MalformedEncoding,
            DecompressError::WindowTooLarge => Self::ZstdWindowTooLarge,
            DecompressError::TooLarge { max_bytes } => Self::PayloadTooLarge { max_bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::Malformed;

    async fn document(problem: Problem) -> String {
        let body = axum::body::to_bytes(problem.into_response().into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn members_are_in_order_and_extra_members_last() {
        assert_eq!(
            document(Problem::MalformedJson { offset: 7 }).await,
            concat!(
                r#"{"type":"urn:weir:problem:malformed_json","title":"Malformed JSON","status":400,"#,
                r#""detail":"the body is not valid JSON at byte 7","code":"malformed_json","offset":7}"#
            )
        );
        let invalid = ReferenceError::Invalid { pointer: "/user_metadata/a~1b".into(), detail: "\"x\"".into() };
        assert!(
            document(invalid.into()).await.ends_with(
                r#""status":422,"detail":"\"x\"","code":"invalid_reference","pointer":"/user_metadata/a~1b"}"#
            )
        );
        let mismatch = ReferenceError::GenerationMismatch { current: 3 };
        assert!(document(mismatch.into()).await.ends_with(r#""code":"generation_mismatch","current_generation":3}"#));
        let overloaded = document(ReferenceError::Overloaded.into()).await;
        assert!(overloaded.contains(r#""status":503"#) && overloaded.ends_with(r#""code":"overloaded"}"#));
    }

    #[tokio::test]
    async fn a_malformed_table_has_the_same_response_as_malformed_events() {
        let table = ReferenceError::Malformed(Malformed { offset: 7 });
        assert_eq!(document(table.into()).await, document(Problem::MalformedJson { offset: 7 }).await);
    }

    #[test]
    fn rejections_have_the_header_fields_that_help_the_client() {
        let headers = |problem: Problem| problem.into_response().into_parts().0.headers;
        assert_eq!(headers(Problem::UnsupportedEncoding)["accept-encoding"], "gzip, zstd, identity");
        assert_eq!(headers(Problem::Overloaded(Overload::EngineFull))["retry-after"], "1");
        assert_eq!(headers(ReferenceError::Overloaded.into())["retry-after"], "1");
        assert_eq!(headers(Problem::RequestTimeout(Duration::ZERO))["connection"], "close");
        assert_eq!(headers(Problem::NotFound)["content-type"], "application/problem+json");
    }
}
