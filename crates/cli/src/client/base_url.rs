//! The URL of a server.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use ureq::http::Uri;
use ureq::http::uri::Authority;

/// The URL of a server: `http://HOST[:PORT][/PREFIX]`, or the same with `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    has_tls: bool,
    authority: Authority,
    /// Without a slash at its end.
    prefix: String,
}

impl BaseUrl {
    /// The URL of the server that listens at an address.
    #[must_use]
    pub(crate) fn of_address(address: SocketAddr, has_tls: bool) -> Self {
        let authority = address.to_string().parse().expect("an address is an authority");
        Self { has_tls, authority, prefix: String::new() }
    }

    /// The URL of a resource; `path` begins with a slash and may carry a query.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Whether the connection uses TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// The host and the port, as in the field `Host`.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The port, or else the default port of the scheme.
    pub(crate) fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.has_tls { 443 } else { 80 })
    }

    /// The path before that of a resource, without a slash at its end.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        let authority = uri.authority().ok_or("not a URL such as http://127.0.0.1:3000")?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let scheme = scheme.ok_or("only http:// and https:// URLs are supported")?;
        if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
            return Err("must not have a user, a query or a fragment".to_owned());
        }
        // `port` returns None for a port that is not a number or is too large.
        if authority.port().is_none() && authority.as_str().len() > authority.host().len() {
            return Err("the port must be a number up to 65535".to_owned());
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { has_tls: scheme == "https", authority: authority.clone(), prefix })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { has_tls, authority, prefix } = self;
        let scheme = if *has_tls { "https" } else { "http" };
        write!(f, "{scheme}://{authority}{prefix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_appended_to_the_path() {
        for (url, resource) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/metrics"),
            ("http://weir.example/", "http://weir.example/metrics"),
            ("https://[::1]:8080/a/b/", "https://[::1]:8080/a/b/metrics"),
        ] {
            assert_eq!(url.parse::<BaseUrl>().unwrap().join("/metrics"), resource);
        }
        let address = "[::1]:80".parse().unwrap();
        assert_eq!(BaseUrl::of_address(address, true), "https://[::1]:80".parse().unwrap());
        assert!(BaseUrl::of_address(address, true).has_tls() && !BaseUrl::of_address(address, false).has_tls());
    }

    #[test]
    fn a_url_has_parts() {
        for (url, authority, host, port, prefix) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1", 3000, ""),
            ("http://weir.example/", "weir.example", "weir.example", 80, ""),
            ("https://weir.example/a", "weir.example", "weir.example", 443, "/a"),
            ("http://[::1]:8080/a/b/", "[::1]:8080", "::1", 8080, "/a/b"),
        ] {
            let parsed: BaseUrl = url.parse().unwrap();
            assert_eq!((parsed.authority(), parsed.host()), (authority, host), "{url}");
            assert_eq!((parsed.port(), parsed.prefix()), (port, prefix), "{url}");
            assert_eq!(parsed.to_string(), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn other_urls_are_rejected() {
        for (url, reason) in [
            ("", "not a URL"),
            ("127.0.0.1:3000", "only http://"),
            ("/events", "not a URL such as"),
            ("ftp://weir.example", "only http://"),
            ("http://", "not a URL"),
            ("http://user@weir.example", "must not have a user"),
            ("http://weir.example/?a=b", "must not have a user"),
            ("http://weir.example/#a", "must not have a user"),
            ("http://weir.example:99999", "the port"),
            ("http://weir.example:", "the port"),
        ] {
            let error = url.parse::<BaseUrl>().unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
