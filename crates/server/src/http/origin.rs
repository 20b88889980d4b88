//! Web origins: which page a browser sends a request for (RFC 6454).

use crate::http::hosts::port_of;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri};
use std::fmt;
use std::str::FromStr;

/// A web origin: a scheme, a host and a port, such as `https://app.example`. Scheme and host are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is not an origin such as https://app.example");
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(invalid()) };
        let scheme = scheme.to_ascii_lowercase();
        let port = port_of(authority).ok_or_else(invalid)?.or_else(|| default_port(&scheme));
        if uri.path_and_query().is_some_and(|path| path != "/") || authority.as_str().contains(['@', '*']) {
            return Err(invalid());
        }
        Ok(Self { host: authority.host().to_ascii_lowercase(), port, scheme })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if self.port != default_port(&self.scheme) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

impl Origin {
    /// The origin in a header field. A sandboxed page has none: its field is `null`.
    pub(super) fn of_field(value: &HeaderValue) -> Option<Self> {
        value.to_str().ok()?.parse().ok()
    }

    /// Whether a request for `host` stays within this origin, which must be one of HTTP. A host without a port has the
    /// default port of the origin's scheme: behind a proxy that ends TLS, the server does not know the scheme.
    pub(super) fn is_of(&self, host: &Authority) -> bool {
        let Some(default_port) = default_port(&self.scheme) else { return false };
        let port = port_of(host).map(|port| port.unwrap_or(default_port));
        host.host().eq_ignore_ascii_case(&self.host) && port == self.port
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for (text, canonical) in [
            ("http://app.example", "http://app.example"),
            ("HTTPS://App.Example:443/", "https://app.example"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://a:", "http://a"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), canonical);
        }
        for text in [
            "",
            "null",
            "*",
            "app.example",
            "app.example:80",
            "//app.example",
            "http://",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://*.example",
            "http://a:99999",
            "http://a b",
            "http://a, http://b",
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert_eq!(error, format!("{text:?} is not an origin such as https://app.example"));
        }
    }

    #[test]
    fn a_request_stays_within_an_origin_if_host_and_port_agree() {
        let is_of = |origin: &str, host: &str| origin.parse::<Origin>().unwrap().is_of(&host.parse().unwrap());
        for (origin, host) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://weir.example", "WEIR.example"),
            ("http://weir.example", "weir.example:80"),
            ("https://weir.example", "weir.example"),
            ("https://weir.example:443", "weir.example"),
        ] {
            assert!(is_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://127.0.0.1:3001", "127.0.0.1:3000"),
            ("http://localhost:3000", "127.0.0.1:3000"),
            ("http://weir.example.evil", "weir.example"),
            ("https://weir.example", "weir.example:80"),
            ("http://weir.example", "weir.example:x"),
            ("capacitor://localhost", "localhost"),
        ] {
            assert!(!is_of(origin, host), "{origin} {host}");
        }
    }
}
