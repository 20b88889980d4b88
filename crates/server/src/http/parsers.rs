//! The parsers of query strings, header fields and compressed bodies, for the fuzz targets; no part of the public
//! interface. An error is the stable code of its problem.

use crate::http::accept::{self, Form};
use crate::http::coding::ContentEncoding;
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

/// What a query of `/metrics` asks for.
///
/// # Errors
/// When it asks for something that there is not.
pub fn metrics_query(query: Option<&str>, config: &EngineConfig) -> Result<Query, &'static str> {
    window_query::parse(query, AllowedParams::GroupBy, config).map(|asked| asked.query).map_err(code)
}

/// What a query of `/metrics/series` asks for, and its step in seconds.
///
/// # Errors
/// When it asks for something that there is not.
pub fn series_query(query: Option<&str>, config: &EngineConfig) -> Result<(Query, u32), &'static str> {
    let asked = window_query::parse(query, AllowedParams::Step, config).map_err(code)?;
    Ok((asked.query, asked.step_secs))
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

/// Whether these fields of `Prefer` ask for the short answer.
#[must_use]
pub fn prefers_minimal(fields: &[HeaderValue]) -> bool {
    header::prefers_minimal(&headers(&HeaderName::from_static("prefer"), fields))
}

/// Which of two media types, of which the first is the default, these fields of `Content-Type` name.
///
/// # Errors
/// When they name neither.
pub fn media_type(fields: &[HeaderValue]) -> Result<&'static str, &'static str> {
    static ACCEPTS: SupportedMediaTypes = SupportedMediaTypes {
        field: ACCEPT,
        media_types: &["application/json", "application/x-ndjson"],
        default: Some("application/json"),
    };
    ACCEPTS.negotiate(&headers(&CONTENT_TYPE, fields)).map_err(code)
}

/// Which of three forms (JSON, OpenMetrics 1.0.0, text 0.0.4) these fields of `Accept` prefer: its index.
#[must_use]
pub fn preferred(fields: &[HeaderValue]) -> usize {
    const FORMS: [Form; 3] = [
        Form { media_type: "application/json", version: None },
        Form { media_type: "application/openmetrics-text", version: Some("1.0.0") },
        Form { media_type: "text/plain", version: Some("0.0.4") },
    ];
    accept::preferred(&headers(&ACCEPT, fields), &FORMS)
}

/// What these fields of `If-Match` and of `If-None-Match` ask of the reference table's generation.
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
    /// When they name none that is known, or several.
    pub fn negotiate(fields: &[HeaderValue]) -> Result<Self, &'static str> {
        ContentEncoding::negotiate(&headers(&CONTENT_ENCODING, fields)).map(Self).map_err(code)
    }

    /// The decoded body.
    ///
    /// # Errors
    /// When it is malformed, or larger than `max_bytes`.
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
