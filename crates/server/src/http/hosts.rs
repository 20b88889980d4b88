//! Which hosts requests may name. A web page can make its own host name resolve to an address of this machine (DNS
//! rebinding). Then the page and the server have the same origin for the browser, and only the `Host` field shows the
//! foreign name.

use crate::http::allowed::Allowed;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The hosts that requests may name in addition to those of the listen address.
pub type AllowedHosts = Allowed<AllowedHost>;

/// A host that requests may name. Without a port, it is allowed with every port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost(Authority);

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.parse().ok().filter(|host: &Authority| {
            let is_name = !host.host().trim_matches('.').is_empty() && !host.as_str().contains(['@', '*']);
            is_name && port_of(host).is_some()
        });
        host.map(Self).ok_or_else(|| format!("{text:?} is not a host such as weir.example or weir.example:3000"))
    }
}

/// Decides whether a request may name a host.
#[derive(Debug)]
pub(crate) struct HostPolicy {
    listen_ip: IpAddr,
    allowed: AllowedHosts,
    /// The fields of almost all requests. They are allowed, and need not be parsed.
    usual_fields: Vec<String>,
}

impl HostPolicy {
    /// The policy of a server that listens on `listen`.
    pub(crate) fn new(listen: SocketAddr, allowed: AllowedHosts) -> Self {
        let mut policy = Self { listen_ip: listen.ip().to_canonical(), allowed, usual_fields: Vec::new() };
        let fields = [listen.to_string(), format!("localhost:{}", listen.port())];
        let is_allowed = |field: &String| field.parse().is_ok_and(|host| policy.allows(&host));
        policy.usual_fields = fields.into_iter().filter(is_allowed).collect();
        policy
    }

    /// The hosts that are listed, or none if all are allowed. The names of a server that other machines can reach are
    /// unknown, so it allows all names until some are listed.
    fn listed(&self) -> Option<&[AllowedHost]> {
        match &self.allowed {
            Allowed::Any => None,
            Allowed::Listed(listed) => (!listed.is_empty() || self.listen_ip.is_loopback()).then_some(listed),
        }
    }

    /// Checks the host of a request.
    ///
    /// # Errors
    /// The host, if the request may not name it. A request without a host is allowed: a browser always names one.
    pub(crate) fn check(&self, request: &Request) -> Result<(), String> {
        if self.listed().is_none() || self.is_usual(request) {
            return Ok(());
        }
        match requested_host(request) {
            Ok(Some(host)) if !self.allows(&host) => Err(host.to_string()),
            Ok(_) => Ok(()),
            Err(field) => Err(String::from_utf8_lossy(field.as_bytes()).into_owned()),
        }
    }

    fn is_usual(&self, request: &Request) -> bool {
        let is_field = |field: &HeaderValue| self.usual_fields.iter().any(|usual| field == usual);
        request.uri().authority().is_none() && request.headers().get(HOST).is_some_and(is_field)
    }

    fn allows(&self, host: &Authority) -> bool {
        let Some(listed) = self.listed() else { return true };
        if port_of(host).is_none() {
            return false;
        }
        let name = host.host().trim_end_matches('.').to_ascii_lowercase();
        let is_listed = |AllowedHost(listed): &AllowedHost| {
            listed.host().trim_end_matches('.').eq_ignore_ascii_case(&name)
                && listed.port_u16().is_none_or(|port| host.port_u16() == Some(port))
        };
        is_loopback_name(&name) || self.is_own_address(&name) || listed.iter().any(is_listed)
    }

    /// Whether the name is a loopback address, or the listen address. The unspecified address is no address of a
    /// request.
    fn is_own_address(&self, name: &str) -> bool {
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical());
        address.is_ok_and(|address| address.is_loopback() || address == self.listen_ip && !address.is_unspecified())
    }
}

/// The host that a request is for: of an absolute target, else of the `Host` field (RFC 9112, 3.2.2). A request of
/// HTTP/1.0 may have no field, and the field may be empty.
///
/// # Errors
/// The field, if it is not a host.
pub(super) fn requested_host(request: &Request) -> Result<Option<Authority>, HeaderValue> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.clone()));
    }
    let Some(field) = request.headers().get(HOST).filter(|field| !field.is_empty()) else { return Ok(None) };
    let host = Authority::try_from(field.as_bytes()).ok().filter(|host| !host.as_str().contains('@'));
    host.map(Some).ok_or_else(|| field.clone())
}

/// The port of an authority without a user, if it has one. None if it is not a port number. A port may be empty (RFC
/// 3986, 3.2.3).
pub(super) fn port_of(authority: &Authority) -> Option<Option<u16>> {
    match authority.as_str().strip_prefix(authority.host())? {
        "" | ":" => Some(None),
        _ => authority.port_u16().map(Some),
    }
}

/// Whether a name in lower case always means this machine (RFC 6761, 6.3).
fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(listen: &str, allowed: &[&str]) -> HostPolicy {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        HostPolicy::new(listen.parse().unwrap(), AllowedHosts::parse(&allowed).unwrap())
    }

    fn allows(policy: &HostPolicy, host: &str) -> bool {
        policy.allows(&host.parse().unwrap())
    }

    #[test]
    fn a_loopback_listener_allows_loopback_names_and_its_own_address() {
        let own = policy("127.0.0.2:3000", &[]);
        for host in [
            "localhost",
            "LOCALHOST.",
            "localhost:3000",
            "localhost:",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9:1",
            "127.0.0.2:3000",
            "[::1]:3000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(allows(&own, host), "{host}");
        }
        for host in [
            "weir.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "2130706433",
            "[::1].evil.example",
            "localhost:x",
            "localhost:99999",
        ] {
            assert!(!allows(&own, host), "{host}");
        }
    }

    #[test]
    fn listed_hosts_are_allowed_too() {
        let listed = policy("[::1]:3000", &["Weir.example", "other.example:8080"]);
        for host in ["weir.example", "WEIR.EXAMPLE.:9", "other.example:8080", "localhost"] {
            assert!(allows(&listed, host), "{host}");
        }
        for host in ["other.example", "other.example:80", "a.weir.example"] {
            assert!(!allows(&listed, host), "{host}");
        }
        assert!(allows(&policy("127.0.0.1:3000", &["*"]), "weir.example"));
    }

    #[test]
    fn a_listener_that_others_can_reach_allows_every_name_until_some_are_listed() {
        assert!(allows(&policy("0.0.0.0:3000", &[]), "weir.example"));
        let listed = policy("10.0.0.1:3000", &["weir.example"]);
        for (host, is_allowed) in
            [("weir.example", true), ("10.0.0.1:3000", true), ("localhost", true), ("evil.example", false)]
        {
            assert_eq!(allows(&listed, host), is_allowed, "{host}");
        }
        assert!(!allows(&policy("0.0.0.0:3000", &["weir.example"]), "0.0.0.0"));
    }

    #[test]
    fn an_invalid_host_is_named() {
        for host in ["", ".", "*.example", "http://a", "a/b", "u@a", "a:b", "a b", ":80"] {
            let error = AllowedHosts::parse(&[host.to_owned()]).unwrap_err();
            assert!(error.starts_with(&format!("{host:?} is not a host")), "{error}");
        }
    }

    #[test]
    fn the_host_of_an_absolute_target_is_checked_however_usual_the_field_is() {
        let own = policy("127.0.0.1:3000", &[]);
        let check = |target: &str, field: &str| {
            let request = Request::builder().uri(target).header(HOST, field);
            own.check(&request.body(axum::body::Body::empty()).unwrap())
        };
        assert_eq!(own.usual_fields, ["127.0.0.1:3000", "localhost:3000"]);
        for field in ["127.0.0.1:3000", "localhost:3000", "localhost:80"] {
            assert_eq!(check("/", field), Ok(()), "{field}");
            assert_eq!(check("http://evil.example/", field), Err("evil.example".to_owned()), "{field}");
        }
        assert_eq!(policy("0.0.0.0:80", &["weir.example"]).usual_fields, ["localhost:80"]);
    }

    #[test]
    fn the_host_of_an_absolute_target_takes_precedence() {
        let host = |target: &str, field: Option<&str>| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.uri_mut() = target.parse().unwrap();
            field.map(|field| request.headers_mut().insert(HOST, field.parse().unwrap()));
            requested_host(&request).map(|host| host.map(|host| host.to_string()))
        };
        assert_eq!(host("/", Some("a:1")), Ok(Some("a:1".into())));
        assert_eq!(host("http://b/", Some("a:1")), Ok(Some("b".into())));
        assert_eq!([host("/", None), host("/", Some(""))], [Ok(None), Ok(None)]);
        for field in ["a b", "u@a", "a, b", "a/b"] {
            assert_eq!(host("/", Some(field)), Err(field.parse().unwrap()), "{field}");
        }
    }
}
