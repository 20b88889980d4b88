//! The server that the load is sent to.

use crate::client::Token;
use crate::limits;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use ureq::http::Uri;
use ureq::http::header::AUTHORIZATION;

/// The resource `/events` of a server. It is parsed from the URL of the server: `http://HOST[:PORT][/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The value of the `Host` field.
    pub(super) authority: String,
    /// The path in the request line.
    pub(super) path: String,
    host: String,
    port: u16,
    token: Option<Token>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        let authority = uri.authority().ok_or("not a URL such as http://127.0.0.1:3000")?;
        if uri.scheme_str() != Some("http") {
            return Err("only http:// URLs are supported".to_owned());
        }
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err("must not have a user or a query".to_owned());
        }
        // `port` returns None for a port that is not a number or is too large.
        if authority.port().is_none() && authority.as_str().len() > authority.host().len() {
            return Err("the port must be a number up to 65535".to_owned());
        }
        Ok(Self {
            authority: authority.as_str().to_owned(),
            path: format!("{}/events", uri.path().trim_end_matches('/')),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            token: None,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Target {
    /// The same target, with a token.
    #[must_use]
    pub(crate) fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// The header field with the token and its line end, or an empty text.
    pub(super) fn authorization(&self) -> String {
        let line = |token: &Token| format!("{AUTHORIZATION}: {}\r\n", token.authorization());
        self.token.as_ref().map_or_else(String::new, line)
    }

    /// The first address of the host that accepts a connection.
    ///
    /// # Errors
    /// The error of the last address.
    pub(super) fn reachable_address(&self) -> io::Result<SocketAddr> {
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limits::LOAD_CONNECT_TIMEOUT) {
                Ok(_) => return Ok(address),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_events_is_appended() {
        for (url, authority, path, host, port) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "/events", "127.0.0.1", 3000),
            ("http://weir.example/", "weir.example", "/events", "weir.example", 80),
            ("http://[::1]:8080/a/b/", "[::1]:8080", "/a/b/events", "::1", 8080),
        ] {
            let target: Target = url.parse().unwrap();
            let expected =
                Target { authority: authority.into(), path: path.into(), host: host.into(), port, token: None };
            assert_eq!(target, expected, "{url}");
        }
    }

    #[test]
    fn only_the_authorization_field_shows_the_token() {
        let target: Target = "http://weir.example".parse().unwrap();
        assert_eq!(target.authorization(), "");
        let target = target.with_token(Some(Token::first_of(" s3cret== , other").unwrap()));
        assert_eq!(target.authorization(), "authorization: Bearer s3cret==\r\n");
        assert!(!format!("{target:?} {target}").contains("s3cret"));
    }

    #[test]
    fn other_urls_are_rejected() {
        for (url, reason) in [
            ("", "not a URL"),
            ("127.0.0.1:3000", "only http://"),
            ("/events", "not a URL such as"),
            ("https://weir.example", "only http://"),
            ("http://", "not a URL"),
            ("http://user@weir.example", "must not have a user"),
            ("http://weir.example/?a=b", "must not have a user"),
            ("http://weir.example:99999", "the port"),
            ("http://weir.example:", "the port"),
        ] {
            let error = url.parse::<Target>().unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
