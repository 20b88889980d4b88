//! The URL of a server.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use ureq::http::Uri;

/// The URL of a server: `http://HOST[:PORT][/PREFIX]`, or the same with `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// The URL of the server that listens at an address.
    #[must_use]
    pub(crate) fn of_address(address: SocketAddr, has_tls: bool) -> Self {
        let scheme = if has_tls { "https" } else { "http" };
        Self(format!("{scheme}://{address}"))
    }

    /// The URL of a resource; `path` begins with a slash and may carry a query.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether the connection uses TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.0.starts_with("https:")
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
        Ok(Self(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'))))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
