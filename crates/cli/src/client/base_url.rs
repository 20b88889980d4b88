//! Where the server is.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use ureq::http::Uri;

/// The URL of a server: `http://HOST[:PORT][/PREFIX]`, or the same with `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// The server that listens at an address.
    #[must_use]
    pub(crate) fn of(address: SocketAddr, has_tls: bool) -> Self {
        let scheme = if has_tls { "https" } else { "http" };
        Self(format!("{scheme}://{address}"))
    }

    /// The URL of a resource; `path` begins with a slash and may carry a query.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether it takes certificates to trust it.
    pub(super) fn has_tls(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        let authority = uri.authority().ok_or("not a URL like http://127.0.0.1:3000")?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let scheme = scheme.ok_or("only http:// and https:// are spoken")?;
        if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
            return Err("neither a user, a query nor a fragment can be part of it".to_owned());
        }
        // A port that is no number, or too large a one, reads as none.
        if authority.port().is_none() && authority.as_str().len() > authority.host().len() {
            return Err("the port is not a number up to 65535".to_owned());
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
        assert_eq!(BaseUrl::of(address, true), "https://[::1]:80".parse().unwrap());
        assert!(BaseUrl::of(address, true).has_tls() && !BaseUrl::of(address, false).has_tls());
    }

    #[test]
    fn what_cannot_be_spoken_to_is_refused() {
        for (url, reason) in [
            ("", "not a URL"),
            ("127.0.0.1:3000", "only http://"),
            ("/events", "not a URL like"),
            ("ftp://weir.example", "only http://"),
            ("http://", "not a URL"),
            ("http://user@weir.example", "neither a user"),
            ("http://weir.example/?a=b", "neither a user"),
            ("http://weir.example/#a", "neither a user"),
            ("http://weir.example:99999", "the port"),
            ("http://weir.example:", "the port"),
        ] {
            let error = url.parse::<BaseUrl>().unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
