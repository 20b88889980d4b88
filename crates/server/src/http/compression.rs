//! Compression of large responses, in the content coding that the client prefers.
//!
//! The layer of tower-http compresses, on the workers of the runtime and in small pieces. It gets only responses for
//! which this file has found a coding and reserved memory: by itself it answers 406 when it finds no coding, although
//! the request has already taken effect.

use crate::http::app::App;
use crate::http::body_memory::BodyPermit;
use crate::http::header;
use crate::http::paced_body::PacedBody;
use crate::limits;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{self, Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Body as _;
use std::convert::Infallible;
use std::future::ready;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

/// How the response to a request may be compressed.
pub(super) struct ResponseCoding {
    /// The `Accept-Encoding` fields of the request. They are parsed only for a large response.
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
    is_head: bool,
}

impl ResponseCoding {
    /// The preference of a request.
    pub(super) fn of(request: &Request) -> Self {
        let mut fields = request.headers().get_all(ACCEPT_ENCODING).iter().cloned();
        Self { first: fields.next(), others: fields.collect(), is_head: request.method() == Method::HEAD }
    }

    /// Compresses a response of more than [`limits::UNCOMPRESSED_BYTES_MAX`] bytes. A response without a known length,
    /// such as a stream of events, is never compressed.
    pub(super) async fn apply(self, app: &App, response: Response) -> Response {
        let is_large = is_large(&response);
        if !is_large && !self.is_head {
            return response;
        }
        let response = if is_large { mark_varying(response) } else { response };
        match preferred_coding(self.first.iter().chain(&self.others)) {
            None => response,
            Some(_) if self.is_head => without_length(response),
            Some(coding) => match encoder_permit(app, &response) {
                Some(permit) => {
                    Box::pin(compress(response.map(|body| Body::new(PacedBody::new(body, permit))), coding)).await
                }
                None => response,
            },
        }
    }
}

/// Whether a response is large enough to be compressed. The response to `HEAD` has the length of the response to `GET`,
/// and no body.
fn is_large(response: &Response) -> bool {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    response.body().size_hint().exact().max(length).is_some_and(|bytes| bytes > limits::UNCOMPRESSED_BYTES_MAX)
}

/// Compresses a response. The layer of tower-http takes a request and calls a service for the response, so here the
/// response is the body of the request, and the service returns it.
async fn compress(response: Response, coding: &'static str) -> Response {
    let mut request = http::Request::new(response);
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
    let service = service_fn(|request: http::Request<Response>| ready(Ok::<_, Infallible>(request.into_body())));
    let always = |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| true;
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(always);
    let response = layer.layer(service).oneshot(request).await.unwrap_or_else(|never| match never {});
    response.map(Body::new)
}

/// The coding with the greatest weight, and zstd of equal ones, because it is faster. None if the client accepts none,
/// or prefers the response as it is.
pub(super) fn preferred_coding<'a>(accepted: impl IntoIterator<Item = &'a HeaderValue>) -> Option<&'static str> {
    let [zstd, gzip, any, identity] = weights_of(accepted, ["zstd", "gzip", "*", "identity"]);
    let [zstd, gzip] = [zstd, gzip].map(|weight| weight.or(any).unwrap_or_default());
    let (coding, weight) = if zstd >= gzip { ("zstd", zstd) } else { ("gzip", gzip) };
    (weight > 0 && weight >= identity.unwrap_or_default()).then_some(coding)
}

/// The weights of these codings in thousandths, where the client names them. A member with a malformed weight is
/// ignored.
fn weights_of<'a, const N: usize>(
    accepted: impl IntoIterator<Item = &'a HeaderValue>,
    codings: [&str; N],
) -> [Option<u16>; N] {
    let mut weights = [None; N];
    for member in header::members_of(accepted) {
        let mut parts = header::split(member, b';');
        let name = parts.next().unwrap_or_default();
        let Some(index) = codings.iter().position(|coding| name.eq_ignore_ascii_case(coding)) else { continue };
        let weight = match parts.map(header::parameter).find(|(name, _)| name.eq_ignore_ascii_case("q")) {
            Some((_, weight)) => header::thousandths(&weight),
            None => Some(1_000),
        };
        weights[index] = weights[index].or(weight);
    }
    weights
}

/// Says that the response to another `Accept-Encoding` may differ.
fn mark_varying(mut response: Response) -> Response {
    if !is_varying(&response) {
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

fn is_varying(response: &Response) -> bool {
    response.headers().get_all(VARY).iter().any(|field| field == ACCEPT_ENCODING.as_str())
}

/// Removes the length from a response to `HEAD` if the response to `GET` may be compressed, and have another length
/// (RFC 9110, 8.6).
fn without_length(mut response: Response) -> Response {
    if is_varying(&response) {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    }
    response
}

/// Reserves the memory of an encoder for a response. None if the response is too small, or if the memory is not free.
/// Then it is sent uncompressed.
fn encoder_permit(app: &App, response: &Response) -> Option<BodyPermit> {
    response.body().size_hint().exact().filter(|bytes| *bytes > limits::UNCOMPRESSED_BYTES_MAX)?;
    let mut permit = app.responses.permit();
    permit.grow(limits::ENCODER_BYTES).ok()?;
    Some(permit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(fields: &[&str]) -> Option<&'static str> {
        let fields: Vec<HeaderValue> = fields.iter().map(|field| field.parse().unwrap()).collect();
        preferred_coding(&fields)
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
            (&["zstd;q=0, zstd", "gzip;q=0.1"], Some("gzip")),
            (&["zstd;q=2, zstd;q=0.5, gzip;q=0.4"], Some("zstd")),
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
