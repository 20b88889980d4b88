//! `Accept`: which form of a response the client prefers (RFC 9110, 12.5.1).
//!
//! Own code: the crate headers has no `Accept`, and mime loses the weight of `text/plain ; q=0.1`.

use crate::http::header;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A form of a response: a media type, in lower case, and its version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) media_type: &'static str,
    /// Its `version` parameter.
    pub(crate) version: Option<&'static str>,
}

/// How specific the range is that matches a form, whether it names the version, and its weight in thousandths.
type Match = (u8, bool, u16);

/// The index of the form that the client prefers. If several forms have the greatest weight, it is the first of them.
/// If the client states no preference or accepts none of the forms, it is 0: a server may ignore the field then
/// (RFC 9110, 12.4.1).
///
/// If several ranges match a form, the most specific one counts. A range with a malformed weight is ignored. A
/// `charset` must be UTF-8. Parameters that no form has are ignored: Prometheus sends `escaping`, which makes no
/// difference here.
pub(crate) fn preferred(headers: &HeaderMap, forms: &[Form]) -> usize {
    let mut best = (0, 0);
    for (index, form) in forms.iter().enumerate() {
        let matches = header::members(headers, &ACCEPT).filter_map(|range| range_match(range, *form));
        let (_, _, weight) = matches.max().unwrap_or_default();
        if weight > best.1 {
            best = (index, weight);
        }
    }
    best.0
}

/// How a range matches a form; `None` if it does not match.
fn range_match(range: &str, form: Form) -> Option<Match> {
    let mut parts = header::split(range, b';');
    let specificity = specificity(parts.next()?, form.media_type)?;
    let (mut is_versioned, mut weight) = (false, 1_000);
    for (name, value) in parts.map(header::parameter) {
        if name.eq_ignore_ascii_case("q") {
            weight = header::thousandths(&value)?;
        } else if name.eq_ignore_ascii_case("version") {
            is_versioned = form.version == Some(&*value);
            is_versioned.then_some(())?;
        } else if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return None;
        }
    }
    Some((specificity, is_versioned, weight))
}

/// From 0 for any media type to 2 for this one; `None` if the range does not include it.
fn specificity(range: &str, media_type: &str) -> Option<u8> {
    let (kind, _) = media_type.split_once('/')?;
    match range.split_once('/')? {
        ("*", "*") => Some(0),
        (given, "*") if given.eq_ignore_ascii_case(kind) => Some(1),
        _ if range.eq_ignore_ascii_case(media_type) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const FORMS: [Form; 3] = [
        Form { media_type: "application/json", version: None },
        Form { media_type: "application/openmetrics-text", version: Some("1.0.0") },
        Form { media_type: "text/plain", version: Some("0.0.4") },
    ];
    const JSON: usize = 0;
    const OPEN: usize = 1;
    const CLASSIC: usize = 2;

    fn preferred_form(fields: &[&[u8]]) -> usize {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|field| _ = headers.append(ACCEPT, HeaderValue::from_bytes(field).unwrap()));
        preferred(&headers, &FORMS)
    }

    #[test]
    fn a_client_without_a_preference_gets_the_first_form() {
        assert_eq!(preferred_form(&[]), JSON);
        for field in [
            "",
            "*/*",
            "application/*",
            "application/json, text/plain, */*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "image/png",
            "application/*;q=0.5, text/*;q=0.5",
            "*/*;q=0",
        ] {
            assert_eq!(preferred_form(&[field.as_bytes()]), JSON, "{field}");
        }
    }

    #[test]
    fn the_form_with_the_greatest_weight_is_preferred() {
        for (field, form) in [
            ("text/plain", CLASSIC),
            ("text/*", CLASSIC),
            ("TEXT/Plain; Version=0.0.4; CHARSET=\"UTF-8\"; Q=1", CLASSIC),
            ("application/openmetrics-text", OPEN),
            ("application/json;q=0.5, text/plain;q=0.6, application/openmetrics-text;q=0.55", CLASSIC),
            ("application/json;q=0.499, application/openmetrics-text;q=0.5", OPEN),
            ("text/plain ; q=0.1, application/json; q=0.5", JSON),
            ("application/json;q=0, */*", OPEN),
            ("*/*, application/*;q=0.1", CLASSIC),
            ("*/*;q=0.1, application/openmetrics-text", OPEN),
            ("application/json;q=0.9, */*;q=0.9, application/openmetrics-text;q=0.1", JSON),
            // Prometheus 2 and 3 send these.
            (
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OPEN,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OPEN,
            ),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", CLASSIC),
        ] {
            assert_eq!(preferred_form(&[field.as_bytes()]), form, "{field}");
        }
        assert_eq!(
            preferred_form(&[b"application/json;q=0.1", b"\xff", b"text/plain;q=0.2"]),
            CLASSIC,
            "fields are one list"
        );
    }

    #[test]
    fn the_most_specific_of_several_ranges_counts() {
        for (field, form) in [
            ("text/plain;q=0.1, text/*, */*;q=0.5", JSON),
            ("text/plain;version=0.0.4;q=0.1, text/plain, application/json;q=0.5", JSON),
            ("text/plain;q=0.1, text/plain;q=0.9, application/json;q=0.5", CLASSIC),
        ] {
            assert_eq!(preferred_form(&[field.as_bytes()]), form, "{field}");
        }
    }

    #[test]
    fn ranges_that_match_no_form_are_ignored() {
        for field in [
            "text/plain;version=1.0.0",
            "application/openmetrics-text;version=0.0.1",
            "text/plain;charset=latin1",
            "text/plain;version",
            "text",
            "*/plain",
            "text/plain/x",
            "text /plain",
        ] {
            assert_eq!(preferred_form(&[format!("{field}, */*;q=0.1").as_bytes()]), JSON, "{field}");
        }
    }

    #[test]
    fn a_range_with_a_malformed_weight_is_ignored() {
        assert_eq!(preferred_form(&[b"text/plain;q=2"]), JSON);
    }
}
