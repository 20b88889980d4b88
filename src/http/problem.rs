//! Every way in which a request as a whole can fail, and what the client is told (RFC 9457).

use crate::engine::Overloaded;
use crate::event::{self, DecodeError};
use crate::http::auth::Role;
use crate::http::coding::{Coding, Undecoded, UnsupportedEncoding};
use crate::http::header;
use crate::http::media_type::{Accepts, UnsupportedMediaType};
use crate::limits;
use crate::reference::ReferenceError;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A request failed as a whole: nothing of it was taken.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No resource has this path.
    NotFound,
    /// The resource does not know this method. The router adds `Allow`.
    MethodNotAllowed,
    /// The body came too slowly, or not at all, for this long.
    RequestTimeout(Duration),
    /// The body is larger than this, as sent or after decompression.
    PayloadTooLarge { max_bytes: usize },
    /// Reading the body, which is of the allowed size, would take more memory than this, which is all there is for that.
    PayloadTooIntricate { max_bytes: usize },
    /// A token is needed, and none, or one that nobody knows, was sent.
    Unauthorized { has_token: bool },
    /// The token is for other things than this role's.
    Forbidden(Role),
    /// The body holds more events than this.
    TooManyEvents { max: usize },
    /// The resource takes these kinds of body only.
    UnsupportedMediaType(&'static Accepts),
    /// The body is coded in a way that the server does not know.
    UnsupportedEncoding,
    /// The body is not what its `Content-Encoding` says.
    MalformedEncoding,
    /// The body broke off, or its chunks are not well-formed.
    BrokenBody,
    /// The body is not JSON from this byte on.
    MalformedJson { offset: usize },
    /// `window` is not a whole number of seconds from 1 to this.
    InvalidWindow { max_secs: u32 },
    /// Another parameter is wrong, as described.
    InvalidParameter(String),
    /// The reference table refuses a change.
    Reference(ReferenceError),
    /// The reference table does not hold this user.
    UnknownUser,
    /// There is no room now.
    Overloaded(Overload),
    /// The server should get no new traffic, for the reason given.
    NotReady(String),
    /// The server is at fault.
    Internal,
}

/// What there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overload {
    /// The runtime has more batches than it keeps up with.
    Admission,
    /// The memory for bodies is taken.
    Bodies,
    /// Too many wait for a turn, or for too long.
    Turns,
    /// The engine has no room for a batch or a table: memory, the dedup table, or what is not folded yet.
    Room,
    /// There are as many live streams as there may be.
    Streams,
    /// There are as many connections as there may be.
    Connections,
}

impl Overload {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Admission, Self::Bodies, Self::Turns, Self::Room, Self::Streams, Self::Connections];

    /// Its name, in lower case.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Bodies => "bodies",
            Self::Turns => "turns",
            Self::Room => "room",
            Self::Streams => "streams",
            Self::Connections => "connections",
        }
    }
}

/// What went wrong with a request as a whole (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// `urn:weir:problem:` and the code.
    r#type: String,
    pub(super) title: &'static str,
    pub(super) status: u16,
    /// What went wrong this time, for a person.
    detail: String,
    /// Stable, for a program.
    pub(super) code: &'static str,
    #[serde(flatten)]
    #[schema(inline)]
    extra: Extra,
}

/// What a program may want to know beyond the code.
#[derive(Default, Serialize, ToSchema)]
struct Extra {
    /// `malformed_json`: the byte where it broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    /// `invalid_reference`: the JSON Pointer (RFC 6901) of the first fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// `stale_reference`: when the table in force was true.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_ts: Option<String>,
    /// `stale_reference`, `generation_mismatch`: the generation in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_generation: Option<u64>,
}

impl Problem {
    /// Status, stable code and title.
    const fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"),
            Self::RequestTimeout(_) => (StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request timeout"),
            Self::PayloadTooLarge { .. } | Self::PayloadTooIntricate { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large")
            }
            Self::TooManyEvents { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", "Too many events"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type")
            }
            Self::UnsupportedEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Unsupported content encoding")
            }
            Self::MalformedEncoding | Self::BrokenBody => {
                (StatusCode::BAD_REQUEST, "malformed_encoding", "Malformed content encoding")
            }
            Self::MalformedJson { .. } | Self::Reference(ReferenceError::Malformed(_)) => {
                (StatusCode::BAD_REQUEST, "malformed_json", "Malformed JSON")
            }
            Self::InvalidWindow { .. } => (StatusCode::BAD_REQUEST, "invalid_window", "Invalid window"),
            Self::InvalidParameter(_) => (StatusCode::BAD_REQUEST, "invalid_parameter", "Invalid parameter"),
            Self::Reference(ReferenceError::Invalid { .. }) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_reference", "Invalid reference table")
            }
            Self::Reference(ReferenceError::TimestampInFuture { .. }) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "timestamp_in_future", "Timestamp in the future")
            }
            Self::Reference(ReferenceError::GenerationMismatch { .. }) => {
                (StatusCode::PRECONDITION_FAILED, "generation_mismatch", "Generation mismatch")
            }
            Self::Reference(ReferenceError::Stale { .. }) => {
                (StatusCode::CONFLICT, "stale_reference", "Stale reference table")
            }
            Self::UnknownUser => (StatusCode::NOT_FOUND, "unknown_user", "Unknown user"),
            Self::Overloaded(_) | Self::Reference(ReferenceError::Overloaded) => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded")
            }
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "Not ready"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal error"),
        }
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        self.kind().1
    }

    /// What went wrong this time, for a person.
    fn detail(&self) -> String {
        match self {
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::MethodNotAllowed => "the methods that this path knows are listed in Allow".to_owned(),
            Self::Unauthorized { has_token: false } => "a Bearer token is needed for this".to_owned(),
            Self::Unauthorized { has_token: true } => "nobody has this token".to_owned(),
            Self::Forbidden(role) => format!("the token does not have the role {:?}, which this takes", role.name()),
            Self::RequestTimeout(grace) => format!(
                "the body came more slowly than {} bytes a second for {} seconds",
                limits::TRANSFER_BYTES_PER_SEC_MIN,
                grace.as_secs_f64()
            ),
            Self::PayloadTooLarge { max_bytes } => {
                format!("the body is larger than {max_bytes} bytes, as sent or after decompression")
            }
            Self::PayloadTooIntricate { max_bytes } => {
                format!(
                    "to read this body, of so many values, takes more than the {max_bytes} bytes of memory for bodies"
                )
            }
            Self::TooManyEvents { max } => format!("a request may hold {max} events; send several"),
            Self::UnsupportedMediaType(accepts) => {
                format!("the body must be {} in UTF-8", accepts.media_types.join(" or "))
            }
            Self::UnsupportedEncoding => format!("the body may be in one of these codings: {}", Coding::ACCEPTED),
            Self::MalformedEncoding => {
                "the compressed body is broken, cut short, or followed by something else".to_owned()
            }
            Self::BrokenBody => "the body broke off, or its chunks are not well-formed".to_owned(),
            Self::MalformedJson { offset } => format!("the body is not valid JSON at byte {offset}"),
            Self::InvalidWindow { max_secs } => format!("window must be a whole number of seconds, 1 to {max_secs}"),
            Self::InvalidParameter(detail) | Self::NotReady(detail) => detail.clone(),
            Self::Reference(error) => error.to_string(),
            Self::UnknownUser => "the reference table does not hold this user".to_owned(),
            Self::Overloaded(_) => "there is no room for this request now; nothing of it was taken".to_owned(),
            Self::Internal => "the server failed; this is a fault of its own".to_owned(),
        }
    }

    fn extra(&self) -> Extra {
        match self {
            Self::MalformedJson { offset } => Extra { offset: Some(*offset), ..Extra::default() },
            Self::Reference(ReferenceError::Malformed(malformed)) => {
                Extra { offset: Some(malformed.offset), ..Extra::default() }
            }
            Self::Reference(ReferenceError::Invalid { pointer, .. }) => {
                Extra { pointer: Some(pointer.clone()), ..Extra::default() }
            }
            Self::Reference(ReferenceError::GenerationMismatch { current }) => {
                Extra { current_generation: Some(*current), ..Extra::default() }
            }
            Self::Reference(ReferenceError::Stale { current_ts_ms, current }) => Extra {
                current_ts: Some(event::format_ms(*current_ts_ms)),
                current_generation: Some(*current),
                ..Extra::default()
            },
            _ => Extra::default(),
        }
    }

    /// What there was no room for, if that is it.
    fn overload(&self) -> Option<Overload> {
        match self {
            Self::Overloaded(overload) => Some(*overload),
            Self::Reference(ReferenceError::Overloaded) => Some(Overload::Room),
            _ => None,
        }
    }

    /// What the client is told.
    pub(super) fn document(&self) -> Document {
        let (status, code, title) = self.kind();
        Document {
            r#type: format!("urn:weir:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
            code,
            extra: self.extra(),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::UnsupportedMediaType(accepts) => {
                headers.insert(&accepts.field, header::value(accepts.media_types.join(", ")));
            }
            Self::UnsupportedEncoding => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Coding::ACCEPTED));
            }
            // RFC 6750, 3: an error code only where a token was sent.
            Self::Unauthorized { has_token } => {
                let challenge =
                    if *has_token { r#"Bearer realm="weir", error="invalid_token""# } else { r#"Bearer realm="weir""# };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Forbidden(_) => {
                let challenge = r#"Bearer realm="weir", error="insufficient_scope""#;
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Overloaded(_) | Self::Reference(ReferenceError::Overloaded) | Self::NotReady(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The rest of the body may never come, so the connection is of no further use (RFC 9110, 15.5.9).
            Self::RequestTimeout(_) => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.document()).expect("strings and numbers always serialise");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.kind().0;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.add_headers(headers);
        // For whoever counts the refusals.
        if let Some(overload) = self.overload() {
            response.extensions_mut().insert(overload);
        }
        response
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(malformed) => Self::MalformedJson { offset: malformed.offset },
            DecodeError::TooManyEvents { max } => Self::TooManyEvents { max },
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded(Overload::Room)
    }
}

impl From<ReferenceError> for Problem {
    fn from(error: ReferenceError) -> Self {
        Self::Reference(error)
    }
}

impl From<UnsupportedMediaType> for Problem {
    fn from(UnsupportedMediaType(accepts): UnsupportedMediaType) -> Self {
        Self::UnsupportedMediaType(accepts)
    }
}

impl From<UnsupportedEncoding> for Problem {
    fn from(UnsupportedEncoding: UnsupportedEncoding) -> Self {
        Self::UnsupportedEncoding
    }
}

impl From<Undecoded> for Problem {
    fn from(undecoded: Undecoded) -> Self {
        match undecoded {
            Undecoded::Malformed => Self::MalformedEncoding,
            Undecoded::TooLarge { max_bytes } => Self::PayloadTooLarge { max_bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Malformed;

    async fn document(problem: Problem) -> String {
        let body = axum::body::to_bytes(problem.into_response().into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn members_come_in_order_and_extras_last() {
        assert_eq!(
            document(Problem::MalformedJson { offset: 7 }).await,
            r#"{"type":"urn:weir:problem:malformed_json","title":"Malformed JSON","status":400,"detail":"the body is not valid JSON at byte 7","code":"malformed_json","offset":7}"#
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
    async fn a_malformed_table_is_told_as_malformed_events_are() {
        let table = ReferenceError::Malformed(Malformed { offset: 7 });
        assert_eq!(document(table.into()).await, document(Problem::MalformedJson { offset: 7 }).await);
    }

    #[test]
    fn refusals_say_what_would_be_taken() {
        let headers = |problem: Problem| problem.into_response().into_parts().0.headers;
        assert_eq!(headers(Problem::UnsupportedEncoding)["accept-encoding"], "gzip, zstd, identity");
        assert_eq!(headers(Problem::Overloaded(Overload::Room))["retry-after"], "1");
        assert_eq!(headers(ReferenceError::Overloaded.into())["retry-after"], "1");
        assert_eq!(headers(Problem::RequestTimeout(Duration::ZERO))["connection"], "close");
        assert_eq!(headers(Problem::NotFound)["content-type"], "application/problem+json");
    }
}
