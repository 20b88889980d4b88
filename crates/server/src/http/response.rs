//! Parts of responses that several resources share.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use serde::Serialize;
use weir_api::headers;

/// Caches must not keep the response, because it is valid only at its time.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Caches must not keep the stream, and proxies must not compress it: they would hold its events back.
pub(super) const NO_STORE_NO_TRANSFORM: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// Why a body that is written piece by piece into a `Vec` or a `String` cannot fail.
pub(super) const IN_MEMORY: &str = "a write to memory does not fail";

/// 200 with a JSON body.
pub(super) fn json_response(json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(headers::JSON));
    response
}

/// 200 with a JSON body that caches must not keep.
pub(super) fn uncached_json(json: impl Into<Body>) -> Response {
    let mut response = json_response(json);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// Serializes a document as JSON.
pub(super) fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings and numbers always serialize")
}
