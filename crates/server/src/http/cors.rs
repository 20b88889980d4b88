//! Cross-origin requests: which web pages of other origins may post events and read (WHATWG Fetch, 3.2). The layer of
//! tower-http writes the header fields. It answers every `OPTIONS` request, so it only gets the requests that pages of
//! other origins may make.

use crate::http::allowed::Allowed;
use crate::http::origin::Origin;
use crate::limits;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ETAG, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::FutureExt as _;
use std::convert::Infallible;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use weir_api::headers;

/// The origins whose pages may post events, and may read what their role allows.
pub type CorsOrigins = Allowed<Origin>;

impl CorsOrigins {
    /// Whether no page of another origin may make a request.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Listed(origins) if origins.is_empty())
    }

    /// Whether the page that makes this request may make it.
    pub(super) fn allow(&self, request: &Request) -> bool {
        may_cross_origins(request) && self.include_all(request.headers().get_all(ORIGIN))
    }

    /// Whether there is an origin, and each is one of these.
    fn include_all<'a>(&self, fields: impl IntoIterator<Item = &'a HeaderValue>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => {
                let mut fields = fields.into_iter().peekable();
                fields.peek().is_some()
                    && fields.all(|field| Origin::of_field(field).is_some_and(|origin| origins.contains(&origin)))
            }
        }
    }

    /// The layer that writes the header fields for these origins, if there are any. Tokens are in `Authorization` and
    /// never in cookies, so responses need no `Access-Control-Allow-Credentials`.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let origin = match self {
            Self::Listed(origins) if origins.is_empty() => return None,
            Self::Any => AllowOrigin::any(),
            Self::Listed(_) => {
                let origins = self.clone();
                AllowOrigin::predicate(move |origin, _| origins.include_all([origin]))
            }
        };
        let layer = CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            // Tools that trace requests add fields of their own.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED)
            .max_age(limits::PREFLIGHT_MAX_AGE);
        Some(layer)
    }
}

/// The response fields that a page may read, in addition to those that every page may read.
const EXPOSED: [HeaderName; 8] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ALLOW,
    ETAG,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static(headers::PREFERENCE_APPLIED),
    HeaderName::from_static(headers::WEIR_BEHIND_MS),
];

/// Whether pages of other origins may make this request, or ask for it in a preflight: reads, and `POST`. The reference
/// table can only be changed by other clients.
fn may_cross_origins(request: &Request) -> bool {
    let method = match *request.method() {
        Method::OPTIONS => request.headers().get(ACCESS_CONTROL_REQUEST_METHOD).map(HeaderValue::as_bytes),
        ref method => Some(method.as_str().as_bytes()),
    };
    match method {
        Some(b"GET" | b"HEAD") => true,
        Some(b"POST") => request.uri().path() == "/events",
        _ => false,
    }
}

/// Answers preflights, and lets pages of the configured origins read the responses of `respond`.
pub(super) async fn allow_origins<F: Future<Output = Response>>(
    layer: &CorsLayer,
    request: Request,
    mut respond: impl FnMut(Request) -> F,
) -> Response {
    if !may_cross_origins(&request) {
        return respond(request).await;
    }
    let inner = service_fn(|request| respond(request).map(Ok::<_, Infallible>));
    layer.layer(inner).oneshot(request).await.unwrap_or_else(|never| match never {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(method: Method, path: &str, fields: &[(HeaderName, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn pages_may_read_and_post_events() {
        let preflight = |path, method| request(Method::OPTIONS, path, &[(ACCESS_CONTROL_REQUEST_METHOD, method)]);
        assert!(may_cross_origins(&request(Method::POST, "/events", &[])));
        assert!(may_cross_origins(&preflight("/events", "POST")) && may_cross_origins(&preflight("/metrics", "GET")));
        assert!(may_cross_origins(&request(Method::HEAD, "/reference/users", &[])));
        for request in [
            request(Method::PUT, "/reference/users", &[]),
            request(Method::POST, "/metrics", &[]),
            request(Method::OPTIONS, "/events", &[]),
            preflight("/reference/users", "PUT"),
            preflight("/reference/users", "PATCH"),
            preflight("/metrics", "POST"),
        ] {
            assert!(!may_cross_origins(&request), "{request:?}");
        }
    }

    #[test]
    fn only_listed_origins_are_allowed_unless_all_are() {
        let listed = CorsOrigins::parse(&["https://App.example".into(), "http://b:8080".into()]).unwrap();
        let allow = |origins: &CorsOrigins, fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|field| (ORIGIN, *field)).collect();
            origins.allow(&request(Method::GET, "/metrics", &fields))
        };
        assert!(allow(&listed, &["https://app.example"]) && allow(&listed, &["http://b:8080"]));
        for fields in
            [&[][..], &["null"], &["http://app.example"], &["http://b"], &["https://app.example", "https://evil"]]
        {
            assert!(!allow(&listed, fields), "{fields:?}");
            assert!(allow(&CorsOrigins::Any, fields), "{fields:?}");
        }
        assert!(!CorsOrigins::Any.allow(&request(Method::PUT, "/reference/users", &[])));
        assert!(CorsOrigins::default().is_none() && !CorsOrigins::default().allow(&request(Method::GET, "/", &[])));
    }

    #[test]
    fn an_invalid_origin_is_named() {
        assert_eq!(CorsOrigins::parse(&["*".into()]), Ok(CorsOrigins::Any));
        for origins in [&["app.example"][..], &["*", "https://a"], &["https://a/b"]] {
            let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
            assert!(CorsOrigins::parse(&origins).unwrap_err().contains("is not an origin"), "{origins:?}");
        }
    }
}
