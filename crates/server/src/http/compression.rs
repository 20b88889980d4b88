//! Compression of large responses, in the content coding that the client prefers.
//!
//! The layer of tower-http compresses, on the workers of the runtime and in small pieces. It gets only responses for
//! which this file has found a coding and reserved memory: by itself it answers 406 when it finds no coding, although
//! the request has already taken effect.

use crate::http::app::App;
use crate::http::header;
use crate::http::paced_body::PacedBody;
use crate::limits;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Body as _;
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer as _, ServiceExt as _};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

/// The content codings of responses, the fastest first.
const CODINGS: [&str; 2] = ["zstd", "gzip"];

/// Marks a response that the layer compresses.
#[derive(Clone, Copy)]
struct Compressible;

/// The middleware that compresses responses of more than [`limits::UNCOMPRESSED_BYTES_MAX`] bytes. A response without a
/// known length, such as a stream of events, is never compressed.
pub(super) async fn compress(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let Some(coding) = preferred_coding(request.headers()) else {
        return mark_varying(next.run(request).await);
    };
    if is_head {
        return without_length(mark_varying(next.run(request).await));
    }
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
    let prepared = tower::service_fn(move |request: Request| {
        let (app, next) = (Arc::clone(&app), next.clone());
        async move { Ok::<_, Infallible>(prepare(&app, mark_varying(next.run(request).await))) }
    });
    let is_prepared =
        |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| extensions.get::<Compressible>().is_some();
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(is_prepared);
    let response = layer.layer(prepared).oneshot(request).await.unwrap_or_else(|never| match never {});
    response.map(Body::new)
}

/// The coding with the greatest weight; the first of them if there are several. None if the client accepts none, or
/// prefers the response as it is.
pub(super) fn preferred_coding(headers: &HeaderMap) -> Option<&'static str> {
    let identity = weight_of(headers, "identity").unwrap_or_default();
    let weight = |coding| weight_of(headers, coding).or_else(|| weight_of(headers, "*")).unwrap_or_default();
    let weighted = CODINGS.iter().rev().map(|coding| (weight(coding), *coding));
    let (weight, coding) = weighted.max_by_key(|(weight, _)| *weight)?;
    (weight > 0 && weight >= identity).then_some(coding)
}

/// The weight of a coding in thousandths, if the client names it. A member with a malformed weight is ignored.
fn weight_of(headers: &HeaderMap, coding: &str) -> Option<u16> {
    header::members(headers, &ACCEPT_ENCODING).find_map(|member| {
        let mut parts = header::split(member, b';');
        parts.next().filter(|name| name.eq_ignore_ascii_case(coding))?;
        match parts.map(header::parameter).find(|(name, _)| name.eq_ignore_ascii_case("q")) {
            Some((_, weight)) => header::thousandths(&weight),
            None => Some(1_000),
        }
    })
}

/// Says that the response to another `Accept-Encoding` may differ, if the response is large enough.
fn mark_varying(mut response: Response) -> Response {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_large = |bytes: u64| bytes > limits::UNCOMPRESSED_BYTES_MAX;
    let is_known = response.headers().get_all(VARY).iter().any(|field| field == ACCEPT_ENCODING.as_str());
    if response.body().size_hint().exact().max(length).is_some_and(is_large) && !is_known {
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Removes the length from a response to `HEAD` if the response to `GET` may be compressed, and have another length
/// (RFC 9110, 8.6).
fn without_length(mut response: Response) -> Response {
    if response.headers().get_all(VARY).iter().any(|field| field == ACCEPT_ENCODING.as_str()) {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    }
    response
}

/// Reserves the memory of an encoder for a response that is large enough. If the memory is not free, the response is
/// sent uncompressed.
fn prepare(app: &App, mut response: Response) -> Response {
    if response.body().size_hint().exact().is_none_or(|bytes| bytes <= limits::UNCOMPRESSED_BYTES_MAX) {
        return response;
    }
    let mut permit = app.responses.permit();
    if permit.grow(limits::ENCODER_BYTES).is_err() {
        return response;
    }
    response.extensions_mut().insert(Compressible);
    response.map(|body| Body::new(PacedBody::new(body, permit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(fields: &[&str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|field| _ = headers.append(ACCEPT_ENCODING, field.parse().unwrap()));
        preferred_coding(&headers)
    }

    #[test]
    fn the_preferred_coding_has_the_greatest_weight() {
        for (fields, coding) in [
            (&["gzip"][..], Some("gzip")),
            (&["GZIP;q=0.5, deflate"], Some("gzip")),
            (&["gzip, deflate, br, zstd"], Some("zstd")),
            (&["zstd;q=0.5", "gzip;q=0.6"], Some("gzip")),
            (&["*"], Some("zstd")),
            (&["zstd;q=0, *;q=0.1"], Some("gzip")),
        ] {
            assert_eq!(preferred(fields), coding, "{fields:?}");
        }
    }

    #[test]
    fn a_client_that_accepts_no_coding_gets_the_identity() {
        for fields in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=2"],
            &["*;q=0"],
            &["identity;q=0"],
            &["identity, gzip;q=0.5"],
        ] {
            assert_eq!(preferred(fields), None, "{fields:?}");
        }
    }
}
