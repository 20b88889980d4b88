//! Every way in which a request as a whole can fail, and what the client is told (RFC 9457).

use crate::http::header;
use crate::http::response::{NO_STORE, to_json};
use crate::limits;
use crate::tokens::AuthError;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use weir::{DecodeError, Overloaded, ReferenceError, format_ms};
use weir_api::{ProblemCode, ProblemDocument, Role, headers};

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
    /// HistogramSnapshot the body, which is of the allowed size, would take more memory than this, which is all there is for that.
    PayloadTooIntricate { max_bytes: usize },
    /// A token is needed, and none, or one that nobody knows, was sent.
    Unauthorized { has_token: bool },
    /// The token is for other things than this role's.
    Forbidden(Role),
    /// The body holds more events than this.
    TooManyEvents { max: usize },
    /// The body has none of these media types. The field lists them in the response: `Accept` or `Accept-Patch`.
    UnsupportedMediaType { field: &'static HeaderName, media_types: &'static [&'static str] },
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

/// Which capacity is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overload {
    /// The runtime has more batches than it keeps up with.
    AdaptiveLimit,
    /// The memory for bodies is in use.
    BodyMemory,
    /// Too many requests wait in a queue, or for too long.
    QueueFull,
    /// The engine has no capacity for a batch or a table: memory, the dedup table, or the backlog.
    EngineFull,
    /// As many live streams are open as the server allows.
    Streams,
    /// As many connections are open as the server allows.
    Connections,
}

impl Overload {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 6] =
        [Self::AdaptiveLimit, Self::BodyMemory, Self::QueueFull, Self::EngineFull, Self::Streams, Self::Connections];

    /// The value of the label `reason` in the exposition.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AdaptiveLimit => "admission",
            Self::BodyMemory => "bodies",
            Self::QueueFull => "turns",
            Self::EngineFull => "room",
            Self::Streams => "streams",
            Self::Connections => "connections",
        }
    }
}

impl Problem {
    /// The stable code, which has one status and one title.
    pub(crate) const fn code(&self) -> ProblemCode {
        match self {
            Self::NotFound => ProblemCode::NotFound,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::Unauthorized { .. } => ProblemCode::Unauthorized,
            Self::Forbidden(_) => ProblemCode::Forbidden,
            Self::RequestTimeout(_) => ProblemCode::RequestTimeout,
            Self::PayloadTooLarge { .. } | Self::PayloadTooIntricate { .. } => ProblemCode::PayloadTooLarge,
            Self::TooManyEvents { .. } => ProblemCode::TooManyEvents,
            Self::UnsupportedMediaType { .. } => ProblemCode::UnsupportedMediaType,
            Self::UnsupportedEncoding => ProblemCode::UnsupportedEncoding,
            Self::MalformedEncoding | Self::BrokenBody => ProblemCode::MalformedEncoding,
            Self::MalformedJson { .. } | Self::Reference(ReferenceError::Malformed(_)) => ProblemCode::MalformedJson,
            Self::InvalidWindow { .. } => ProblemCode::InvalidWindow,
            Self::InvalidParameter(_) => ProblemCode::InvalidParameter,
            Self::Reference(ReferenceError::Invalid { .. }) => ProblemCode::InvalidReference,
            Self::Reference(ReferenceError::TimestampInFuture { .. }) => ProblemCode::TimestampInFuture,
            Self::Reference(ReferenceError::GenerationMismatch { .. }) => ProblemCode::GenerationMismatch,
            Self::Reference(ReferenceError::Stale { .. }) => ProblemCode::StaleReference,
            Self::UnknownUser => ProblemCode::UnknownUser,
            Self::Overloaded(_) | Self::Reference(ReferenceError::Overloaded) => ProblemCode::Overloaded,
            Self::NotReady(_) => ProblemCode::NotReady,
            Self::Internal => ProblemCode::InternalError,
        }
    }

    /// What went wrong this time, for a person.
    fn detail(&self) -> String {
        match self {
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::MethodNotAllowed => "the methods that this path knows are listed in Allow".to_owned(),
            Self::Unauthorized { has_token: false } => "a Bearer token is needed for this".to_owned(),
            Self::Unauthorized { has_token: true } => "invalid token".to_owned(),
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
                format!("parsing this body needs more than the {max_bytes}-byte body memory budget")
            }
            Self::TooManyEvents { max } => format!("a request may hold {max} events; send several"),
            Self::UnsupportedMediaType { media_types, .. } => {
                format!("the body must be {} in UTF-8", media_types.join(" or "))
            }
            Self::UnsupportedEncoding => {
                format!("the body must use one of these content codings: {}", headers::ACCEPTED_CODINGS)
            }
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

    /// Which capacity was used up, if that is the problem.
    fn overload(&self) -> Option<Overload> {
        match self {
            Self::Overloaded(overload) => Some(*overload),
            Self::Reference(ReferenceError::Overloaded) => Some(Overload::EngineFull),
            _ => None,
        }
    }

    /// The document that the client gets.
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
            _ => {}
        }
        document
    }

    fn add_headers(&self, fields: &mut HeaderMap) {
        match self {
            Self::UnsupportedMediaType { field, media_types } => {
                fields.insert(*field, header::value(media_types.join(", ")));
            }
            Self::UnsupportedEncoding => {
                fields.insert(ACCEPT_ENCODING, HeaderValue::from_static(headers::ACCEPTED_CODINGS));
            }
            // RFC 6750, 3: an error code only where a token was sent.
            Self::Unauthorized { has_token } => {
                let challenge =
                    if *has_token { r#"Bearer realm="weir", error="invalid_token""# } else { r#"Bearer realm="weir""# };
                fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Forbidden(_) => {
                let challenge = r#"Bearer realm="weir", error="insufficient_scope""#;
                fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Overloaded(_) | Self::Reference(ReferenceError::Overloaded) | Self::NotReady(_) => {
                fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The rest of the body may never come, so the connection is of no further use (RFC 9110, 15.5.9).
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
        // The layer that counts refusals reads it.
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
        Self::Overloaded(Overload::EngineFull)
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

#[cfg(test)]
mod tests {
    use super::*;
    use weir::Malformed;

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
        assert_eq!(headers(Problem::Overloaded(Overload::EngineFull))["retry-after"], "1");
        assert_eq!(headers(ReferenceError::Overloaded.into())["retry-after"], "1");
        assert_eq!(headers(Problem::RequestTimeout(Duration::ZERO))["connection"], "close");
        assert_eq!(headers(Problem::NotFound)["content-type"], "application/problem+json");
    }
}
