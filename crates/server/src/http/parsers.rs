//! The parsers of query strings, header fields and compressed bodies, for the fuzz targets. They are not part of the
//! public interface. An error is the stable code of its problem.

use crate::http::accept::{self, Form};
use crate::http::coding::ContentEncoding;
use crate::http::compression;
use crate::http::media_type::SupportedMediaTypes;
use crate::http::problem::Problem;
use crate::http::reference;
use crate::http::window_query::{self, AllowedParams};
use crate::http::{header, query};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use weir::{EngineConfig, Preconditions, Query};

/// The parameters of a query: names and values, decoded.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query::parameters(Some(query)).map(|parameter| (parameter.name, parameter.value))
}

/// The query that the query string of `/metrics` describes.
///
/// # Errors
/// If a parameter is unknown or invalid.
pub fn metrics_query(query: Option<&str>, config: &EngineConfig) -> Result<Query, &'static str> {
    window_query::parse(query, AllowedParams::Metrics, config).map(|parsed| parsed.query).map_err(code)
}

/// The query that the query string of `/metrics/series` describes, and its step in seconds.
///
/// # Errors
/// If a parameter is unknown or invalid.
pub fn series_query(query: Option<&str>, config: &EngineConfig) -> Result<(Query, u32), &'static str> {
    let parsed = window_query::parse(query, AllowedParams::Series, config).map_err(code)?;
    Ok((parsed.query, parsed.step_secs))
}

/// The members of a list.
pub fn split(list: &str, separator: u8) -> impl Iterator<Item = &str> {
    header::split(list, separator)
}

/// A parameter's name and value.
#[must_use]
pub fn parameter(text: &str) -> (&str, Cow<'_, str>) {
    header::parameter(text)
}

/// Whether these fields of `Prefer` ask for the short response.
#[must_use]
pub fn prefers_minimal(fields: &[HeaderValue]) -> bool {
    header::prefers_minimal(&headers(&HeaderName::from_static("prefer"), fields))
}

/// The media type that these fields of `Content-Type` name, out of two. The first of the two is the default.
///
/// # Errors
/// If they name neither of the two.
pub fn media_type(fields: &[HeaderValue]) -> Result<&'static str, &'static str> {
    static SUPPORTED: SupportedMediaTypes = SupportedMediaTypes {
        field: ACCEPT,
        media_types: &["application/json", "application/x-ndjson"],
        default: Some("application/json"),
    };
    SUPPORTED.negotiate(&headers(&CONTENT_TYPE, fields)).map_err(code)
}

/// The index of the form that these fields of `Accept` prefer: JSON, OpenMetrics 1.0.0 or text 0.0.4.
#[must_use]
pub fn preferred(fields: &[HeaderValue]) -> usize {
    const FORMS: [Form; 3] = [
        Form { media_type: "application/json", version: None },
        Form { media_type: "application/openmetrics-text", version: Some("1.0.0") },
        Form { media_type: "text/plain", version: Some("0.0.4") },
    ];
    accept::preferred(&headers(&ACCEPT, fields), &FORMS)
}

/// The content coding of a large response that these fields of `Accept-Encoding` prefer.
#[must_use]
pub fn response_coding(fields: &[HeaderValue]) -> Option<&'static str> {
    compression::preferred_coding(fields)
}

/// The preconditions on the reference table's generation that these fields of `If-Match` and `If-None-Match` state.
#[must_use]
pub fn preconditions(if_match: &[HeaderValue], if_none_match: &[HeaderValue]) -> Preconditions {
    let mut all = headers(&IF_MATCH, if_match);
    all.extend(headers(&IF_NONE_MATCH, if_none_match));
    reference::preconditions(&all)
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyCoding(ContentEncoding);

impl BodyCoding {
    /// The coding that these fields of `Content-Encoding` name.
    ///
    /// # Errors
    /// If they name an unknown coding, or several codings.
    pub fn negotiate(fields: &[HeaderValue]) -> Result<Self, &'static str> {
        ContentEncoding::negotiate(&headers(&CONTENT_ENCODING, fields)).map(Self).map_err(code)
    }

    /// The decoded body.
    ///
    /// # Errors
    /// If it is malformed, or larger than `max_bytes`.
    pub fn decode(self, encoded: Vec<u8>, max_bytes: usize) -> Result<Vec<u8>, &'static str> {
        self.0.decode(encoded, max_bytes).map_err(code)
    }
}

/// The stable code of an error's problem.
fn code(error: impl Into<Problem>) -> &'static str {
    error.into().code().as_str()
}

fn headers(name: &HeaderName, fields: &[HeaderValue]) -> HeaderMap {
    fields.iter().map(|field| (name.clone(), field.clone())).collect()
}
