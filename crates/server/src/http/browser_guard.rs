//! Protects open roles from web pages. A browser on this machine or in this network can reach a server that its user
//! can reach. Where a role needs no token, any page that the user visits could use it. So requests that a browser makes
//! for a page of another origin are rejected, and so are requests for a foreign host (DNS rebinding).
//!
//! A role with a token needs no such check: the browser adds no token by itself.

use crate::http::cors::CorsOrigins;
use crate::http::hosts::{HostPolicy, requested_host};
use crate::http::origin::Origin;
use crate::http::problem::Problem;
use crate::limits;
use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::{HeaderName, HeaderValue};

/// The field in which a browser says how the origins of the page and of the request relate (W3C Fetch Metadata).
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The checks of requests that need no token.
#[derive(Debug)]
pub(super) struct BrowserGuard {
    hosts: HostPolicy,
    cors_origins: CorsOrigins,
}

impl BrowserGuard {
    pub(super) fn new(hosts: HostPolicy, cors_origins: CorsOrigins) -> Self {
        Self { hosts, cors_origins }
    }

    /// Checks the host and the origin of a request.
    ///
    /// # Errors
    /// [`Problem::ForbiddenHost`], or else [`Problem::ForbiddenOrigin`].
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        self.hosts
            .check(request)
            .map_err(|host| Problem::ForbiddenHost { host: host.chars().take(limits::HOST_CHARS_SHOWN).collect() })?;
        let is_allowed = is_same_origin(request) || self.cors_origins.allow(request);
        if is_allowed { Ok(()) } else { Err(Problem::ForbiddenOrigin) }
    }
}

/// Whether the request does not come from a page of another site, and each origin that it names is its own host. Only
/// browsers send these fields. A page of the same site and another origin can make a `GET` without an `Origin`, but it
/// cannot read the response.
fn is_same_origin(request: &Request) -> bool {
    let is_cross_site = request
        .headers()
        .get_all(&SEC_FETCH_SITE)
        .iter()
        .any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"));
    // Almost no request names an origin, so the host is parsed only for one that does.
    let is_own = |origin: &HeaderValue| {
        let host = requested_host(request).ok().flatten();
        Origin::of_field(origin).zip(host).is_some_and(|(origin, host)| origin.is_of(&host))
    };
    !is_cross_site && request.headers().get_all(ORIGIN).iter().all(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::hosts::AllowedHosts;
    use axum::body::Body;
    use weir_api::ProblemCode;

    fn check(cors_origins: &[&str], method: &str, fields: &[(&str, &str)]) -> Result<(), ProblemCode> {
        let origins: Vec<_> = cors_origins.iter().map(ToString::to_string).collect();
        let hosts = HostPolicy::new("127.0.0.1:3000".parse().unwrap(), AllowedHosts::default());
        let guard = BrowserGuard::new(hosts, CorsOrigins::parse(&origins).unwrap());
        let path = if method == "POST" { "/events" } else { "/reference/users" };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        guard.check(&request.body(Body::empty()).unwrap()).map_err(|problem| problem.code())
    }

    const HOST: (&str, &str) = ("host", "localhost:3000");

    #[test]
    fn clients_and_pages_of_the_server_may_make_requests() {
        for fields in [
            &[][..],
            &[HOST],
            &[HOST, ("origin", "http://localhost:3000")],
            &[HOST, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:3000")],
            &[HOST, ("sec-fetch-site", "none")],
        ] {
            assert_eq!(check(&[], "PUT", fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_may_not() {
        for fields in [
            &[HOST, ("sec-fetch-site", "cross-site")][..],
            &[HOST, ("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")],
            &[HOST, ("sec-fetch-site", "same-site"), ("origin", "http://localhost:8080")],
            &[HOST, ("origin", "https://localhost:3001")],
            &[HOST, ("origin", "null")],
            &[HOST, ("origin", "")],
            &[HOST, ("origin", "http://localhost:3000"), ("origin", "http://evil.example")],
            &[("origin", "http://localhost:3000")],
        ] {
            assert_eq!(check(&[], "PUT", fields), Err(ProblemCode::ForbiddenOrigin), "{fields:?}");
        }
    }

    #[test]
    fn pages_of_configured_origins_may_post_and_read() {
        let fields = &[HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://app.example")];
        for method in ["POST", "GET"] {
            assert_eq!(check(&["https://app.example"], method, fields), Ok(()));
            assert_eq!(check(&["*"], method, fields), Ok(()));
            assert_eq!(check(&["https://other.example"], method, fields), Err(ProblemCode::ForbiddenOrigin));
        }
        assert_eq!(check(&["*"], "PUT", fields), Err(ProblemCode::ForbiddenOrigin));
    }

    #[test]
    fn a_foreign_host_is_rejected_first() {
        let fields = [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")];
        assert_eq!(check(&["*"], "GET", &fields), Err(ProblemCode::ForbiddenHost));
        assert_eq!(check(&[], "GET", &[("host", "127.0.0.1, evil")]), Err(ProblemCode::ForbiddenHost));
    }
}
