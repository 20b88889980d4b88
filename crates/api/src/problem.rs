//! Problem documents (RFC 9457): the body of every response that is neither 2xx nor 304.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a whole request failed (RFC 9457). No part of the request was applied, but for `log_unavailable`: then some of
/// it may have been applied, and the answer to a retry shows what was.
///
/// `code` is text, because a server newer than this crate may have further codes: see [`ProblemDocument::known_code`].
/// A missing member deserializes as its empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `urn:weir:problem:` and the code.
    #[schema(required)]
    pub r#type: String,
    /// A short title, the same for every problem with this code.
    #[schema(required)]
    pub title: String,
    /// The HTTP status of the response.
    #[schema(required)]
    pub status: u16,
    /// What went wrong in this request, for people. The text may change; programs use `code`.
    #[schema(required)]
    pub detail: String,
    /// The stable code of the problem, for programs.
    #[schema(required, value_type = ProblemCode)]
    pub code: String,
    /// Only with `malformed_json`: the offset in bytes at which the body stops being valid JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub offset: Option<usize>,
    /// Only with `invalid_reference`: the JSON Pointer (RFC 6901) of the first error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// Only with `stale_reference`: the timestamp of the current table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_ts: Option<String>,
    /// Only with `stale_reference` and `generation_mismatch`: the current generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_generation: Option<u64>,
    /// Only with `not_ready` while the server replays its journal: the entries that it has replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub replayed: Option<u64>,
    /// Only with `not_ready` while the server replays its journal: the entries of the journal at its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<u64>,
}

impl ProblemDocument {
    /// A document with the type, the title and the status of `code`. The members of single codes are none.
    #[must_use]
    pub fn new(code: ProblemCode, detail: String) -> Self {
        Self {
            r#type: format!("urn:weir:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail,
            code: code.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// The code, unless it is newer than this crate.
    #[must_use]
    pub fn known_code(&self) -> Option<ProblemCode> {
        ProblemCode::ALL.into_iter().find(|code| code.as_str() == self.code)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// The stable code of a problem. Each code has one status and one title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ToSchema)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[$doc])* #[schema(rename = $code)] $name,)*
        }

        impl ProblemCode {
            /// All codes.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The code as it is in `code`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status of the code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The title of the code.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not valid JSON.
    MalformedJson = "malformed_json", 400, "Malformed JSON";
    /// The body does not match its `Content-Encoding`, or it ended early.
    MalformedEncoding = "malformed_encoding", 400, "Malformed content encoding";
    /// `window` is not a whole number of seconds within the retention.
    InvalidWindow = "invalid_window", 400, "Invalid window";
    /// Another parameter is unknown, repeated, or has an invalid value.
    InvalidParameter = "invalid_parameter", 400, "Invalid parameter";
    /// The request needs a token, and has none or an unknown one.
    Unauthorized = "unauthorized", 401, "Unauthorized";
    /// The token belongs to another role than the request needs.
    Forbidden = "forbidden", 403, "Forbidden";
    /// The request comes from a web page of another origin, and its role needs no token.
    ForbiddenOrigin = "forbidden_origin", 403, "Forbidden origin";
    /// The request names a foreign host, and its role needs no token.
    ForbiddenHost = "forbidden_host", 403, "Forbidden host";
    /// No resource has this path.
    NotFound = "not_found", 404, "Not found";
    /// The reference table does not contain this user.
    UnknownUser = "unknown_user", 404, "Unknown user";
    /// The resource does not support this method. `Allow` lists the methods that it supports.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The body arrived too slowly.
    RequestTimeout = "request_timeout", 408, "Request timeout";
    /// The timestamp of the new table is older than that of the current table, or equal to it with different content.
    StaleReference = "stale_reference", 409, "Stale reference table";
    /// `If-Match` or `If-None-Match` does not hold for the current generation.
    GenerationMismatch = "generation_mismatch", 412, "Generation mismatch";
    /// The body is larger than the server allows, as sent or after decompression, or its decoding needs too much
    /// memory.
    PayloadTooLarge = "payload_too_large", 413, "Payload too large";
    /// The request contains more events than the server allows.
    TooManyEvents = "too_many_events", 413, "Too many events";
    /// The target of the request is too long.
    UriTooLong = "uri_too_long", 414, "URI too long";
    /// The resource does not support this media type.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    /// The server does not support this content coding.
    UnsupportedEncoding = "unsupported_encoding", 415, "Unsupported content encoding";
    /// The body is valid JSON, but not a valid reference table.
    InvalidReference = "invalid_reference", 422, "Invalid reference table";
    /// The timestamp of the table is too far ahead of the server's clock.
    TimestampInFuture = "timestamp_in_future", 422, "Timestamp in the future";
    /// The server has a bug.
    InternalError = "internal_error", 500, "Internal error";
    /// The server has no capacity for the request now. No part of the request was applied.
    Overloaded = "overloaded", 503, "Overloaded";
    /// The log of the server did not answer in time, or it has failed. Some of the request may have been applied. Send
    /// it again: the answer shows what was. To a read, a node of a cluster says so that it may not be up to date.
    LogUnavailable = "log_unavailable", 503, "Log unavailable";
    /// The server should get no new traffic. While it replays its log, it answers most requests with this code.
    NotReady = "not_ready", 503, "Not ready";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_order_and_those_of_single_codes_last() {
        let mut document = ProblemDocument::new(ProblemCode::MalformedJson, "no JSON".to_owned());
        document.offset = Some(7);
        let json = concat!(
            r#"{"type":"urn:weir:problem:malformed_json","title":"Malformed JSON","status":400,"#,
            r#""detail":"no JSON","code":"malformed_json","offset":7}"#
        );
        assert_eq!(serde_json::to_string(&document).unwrap(), json);
        assert_eq!(serde_json::from_str::<ProblemDocument>(json).unwrap(), document);
        assert_eq!(document.known_code(), Some(ProblemCode::MalformedJson));
    }

    #[test]
    fn a_document_of_a_newer_server_deserializes() {
        let document: ProblemDocument = serde_json::from_str(r#"{"code":"new","more":[1]}"#).unwrap();
        assert_eq!((document.code.as_str(), document.known_code()), ("new", None));
    }

    #[test]
    fn every_code_is_found_by_its_text() {
        for code in ProblemCode::ALL {
            let document = ProblemDocument::new(code, String::new());
            assert_eq!(document.known_code(), Some(code));
            assert!((400..600).contains(&code.status()) && !code.title().is_empty(), "{code:?}");
        }
    }
}
