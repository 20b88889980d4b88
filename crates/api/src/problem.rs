//! Problem documents (RFC 9457): every answer that is neither 2xx nor 304.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong with a request as a whole (RFC 9457).
///
/// The codes of a newer server than this crate are not known here, so `code` is text: see [`ProblemDocument::known_code`].
/// Members that a server leaves out read as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `urn:weir:problem:` and the code.
    #[schema(required)]
    pub r#type: String,
    /// The code in words, the same for every problem of this code.
    #[schema(required)]
    pub title: String,
    /// The HTTP status.
    #[schema(required)]
    pub status: u16,
    /// What went wrong this time, for people.
    #[schema(required)]
    pub detail: String,
    /// The stable code, for programs.
    #[schema(required, value_type = ProblemCode)]
    pub code: String,
    /// `malformed_json`: the byte at which the body stops being JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub offset: Option<usize>,
    /// `invalid_reference`: the JSON Pointer (RFC 6901) of the first fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// `stale_reference`: the timestamp of the table in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_ts: Option<String>,
    /// `stale_reference`, `generation_mismatch`: the generation in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_generation: Option<u64>,
}

impl ProblemDocument {
    /// A document of this code, without what only some codes have.
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

    /// The code, if this crate knows it.
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

            /// The code as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that the code comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The code in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed_json", 400, "Malformed JSON";
    /// The body is not what its `Content-Encoding` says, or it broke off.
    MalformedEncoding = "malformed_encoding", 400, "Malformed content encoding";
    /// `window` is not a whole number of seconds within the retention.
    InvalidWindow = "invalid_window", 400, "Invalid window";
    /// Another parameter is unknown, repeated, or has a bad value.
    InvalidParameter = "invalid_parameter", 400, "Invalid parameter";
    /// The request has no token, or a token that the server does not know.
    Unauthorized = "unauthorized", 401, "Unauthorized";
    /// The token belongs to another role.
    Forbidden = "forbidden", 403, "Forbidden";
    /// No resource has this path.
    NotFound = "not_found", 404, "Not found";
    /// The reference table does not hold this user.
    UnknownUser = "unknown_user", 404, "Unknown user";
    /// The resource does not have this method; `Allow` lists those that it has.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The body came too slowly.
    RequestTimeout = "request_timeout", 408, "Request timeout";
    /// The timestamp of the table is older than that of the table in force, or equal to it with other content.
    StaleReference = "stale_reference", 409, "Stale reference table";
    /// A precondition on the generation does not hold.
    GenerationMismatch = "generation_mismatch", 412, "Generation mismatch";
    /// The body is larger than the server takes, as sent or after decompression.
    PayloadTooLarge = "payload_too_large", 413, "Payload too large";
    /// The request holds more events than the server takes at once.
    TooManyEvents = "too_many_events", 413, "Too many events";
    /// The resource does not take this media type.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    /// The server does not decode this content coding.
    UnsupportedEncoding = "unsupported_encoding", 415, "Unsupported content encoding";
    /// The body is JSON and no reference table.
    InvalidReference = "invalid_reference", 422, "Invalid reference table";
    /// The timestamp of the table is too far ahead of the server's clock.
    TimestampInFuture = "timestamp_in_future", 422, "Timestamp in the future";
    /// The server failed.
    InternalError = "internal_error", 500, "Internal error";
    /// The server has no capacity for the request; nothing of it was taken.
    Overloaded = "overloaded", 503, "Overloaded";
    /// The server should get no new traffic.
    NotReady = "not_ready", 503, "Not ready";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_order_and_those_of_some_codes_last() {
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
    fn a_document_of_a_newer_server_can_be_read() {
        let document: ProblemDocument = serde_json::from_str(r#"{"code":"new","more":[1]}"#).unwrap();
        assert_eq!((document.code.as_str(), document.known_code()), ("new", None));
    }

    #[test]
    fn every_code_is_known_by_its_text() {
        for code in ProblemCode::ALL {
            let document = ProblemDocument::new(code, String::new());
            assert_eq!(document.known_code(), Some(code));
            assert!((400..600).contains(&code.status()) && !code.title().is_empty(), "{code:?}");
        }
    }
}
