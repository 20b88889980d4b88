//! `Content-Type`: which media types of a body a resource supports.
//!
//! Own code: the crate mime rejects `application/json ; charset=utf-8`, which RFC 9110 (5.6.6) allows.

use crate::http::header;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use weir_api::headers;

/// The media types that a method of a resource supports.
#[derive(Debug)]
pub(crate) struct SupportedMediaTypes {
    /// The header field that lists them in a 415: `Accept` (RFC 9110, 12.5.1) or `Accept-Patch` (RFC 5789).
    pub(crate) field: HeaderName,
    /// In lower case.
    pub(crate) media_types: &'static [&'static str],
    /// The media type of a body without `Content-Type`; `None` if the field is required.
    pub(crate) default: Option<&'static str>,
}

/// The media types of `POST /events`.
pub(crate) static EVENTS: SupportedMediaTypes = SupportedMediaTypes {
    field: ACCEPT,
    media_types: &[headers::JSON, headers::NDJSON, headers::NDJSON_ALIASES[0], headers::NDJSON_ALIASES[1]],
    default: Some(headers::JSON),
};

/// The media types of `POST /events` where web pages of other origins may post. A browser sends text without a
/// preflight, for example by `navigator.sendBeacon`.
pub(crate) static EVENTS_OF_PAGES: SupportedMediaTypes = SupportedMediaTypes {
    field: ACCEPT,
    media_types: &[
        headers::JSON,
        headers::NDJSON,
        headers::NDJSON_ALIASES[0],
        headers::NDJSON_ALIASES[1],
        headers::TEXT_PLAIN,
    ],
    default: Some(headers::JSON),
};

/// The media types of `PUT /reference/users`.
pub(crate) static REFERENCE_TABLE: SupportedMediaTypes =
    SupportedMediaTypes { field: ACCEPT, media_types: &[headers::JSON], default: Some(headers::JSON) };

/// The media types of `PATCH /reference/users`.
pub(crate) static REFERENCE_PATCH: SupportedMediaTypes = SupportedMediaTypes {
    field: HeaderName::from_static(headers::ACCEPT_PATCH),
    media_types: &[headers::MERGE_PATCH],
    default: None,
};

/// The media type of the body is not one of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnsupportedMediaType(pub(crate) &'static SupportedMediaTypes);

impl SupportedMediaTypes {
    /// The body's media type, one of [`media_types`](Self::media_types).
    pub(crate) fn negotiate(&'static self, headers: &HeaderMap) -> Result<&'static str, UnsupportedMediaType> {
        self.find(headers).ok_or(UnsupportedMediaType(self))
    }

    fn find(&self, headers: &HeaderMap) -> Option<&'static str> {
        let mut fields = headers.get_all(CONTENT_TYPE).iter();
        let Some(field) = fields.next() else { return self.default };
        if fields.next().is_some() {
            return None;
        }
        // Almost every client names the media type alone and in lower case, which needs no parser.
        if let Some(known) = self.media_types.iter().copied().find(|known| field == known) {
            return Some(known);
        }
        let mut parts = header::split(field.to_str().ok()?, b';');
        let given = parts.next()?;
        let utf8 =
            parts.map(header::parameter).all(|(name, value)| !name.eq_ignore_ascii_case("charset") || is_utf8(&value));
        self.media_types.iter().copied().find(|known| utf8 && given.eq_ignore_ascii_case(known))
    }
}

/// Whether a text in this charset is UTF-8. `utf8` is a label of UTF-8 (WHATWG Encoding, 4.2), and every ASCII text is
/// also UTF-8.
fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|label| charset.eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    static READS: SupportedMediaTypes = SupportedMediaTypes {
        field: ACCEPT,
        media_types: &["application/json", "text/x"],
        default: Some("application/json"),
    };
    static PATCHES: SupportedMediaTypes = SupportedMediaTypes {
        field: HeaderName::from_static("accept-patch"),
        media_types: &["application/x"],
        default: None,
    };

    fn negotiate(supported: &'static SupportedMediaTypes, fields: &[&[u8]]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CONTENT_TYPE, HeaderValue::from_bytes(field).unwrap());
        }
        supported.negotiate(&headers).ok()
    }

    #[test]
    fn a_type_is_supported_in_any_case_and_with_parameters() {
        for field in [
            "text/x",
            "Text/X",
            "text/x ; charset=UTF-8;",
            "text/x;a=b; charset=\"utf-8\"",
            "text/x; charset=UTF8",
            "text/x; charset=us-ascii",
        ] {
            assert_eq!(negotiate(&READS, &[field.as_bytes()]), Some("text/x"), "{field}");
        }
    }

    #[test]
    fn a_body_without_a_type_has_the_default_type_if_there_is_one() {
        assert_eq!(negotiate(&READS, &[]), Some("application/json"));
        assert_eq!(negotiate(&PATCHES, &[]), None);
    }

    #[test]
    fn other_types_and_charsets_are_rejected() {
        for field in [
            &b""[..],
            b"text/plain",
            b"text/x, application/json",
            b"text/x; charset=latin1",
            b"text/x; charset",
            b"text/x; charset=utf-8; charset=utf-16",
            b"\xff",
        ] {
            assert_eq!(negotiate(&READS, &[field]), None, "{field:?}");
        }
        assert_eq!(negotiate(&READS, &[b"text/x", b"text/x"]), None, "the field may occur only once");
    }
}
