//! The server that the load is sent to.

use crate::client::{BaseUrl, ClientConfig, Token, Trust};
use std::fmt;
use ureq::http::header::AUTHORIZATION;

/// The resource `/events` of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target(ClientConfig);

impl Target {
    pub(crate) fn new(server: ClientConfig) -> Self {
        Self(server)
    }

    /// The URL of the server.
    pub(super) fn url(&self) -> &BaseUrl {
        &self.0.url
    }

    /// Which CA certificates the generator trusts.
    pub(super) fn trust(&self) -> &Trust {
        &self.0.trust
    }

    /// The path in the request line.
    pub(super) fn path(&self) -> String {
        format!("{}/events", self.0.url.prefix())
    }

    /// The header field with the token and its line end, or an empty text.
    pub(super) fn authorization(&self) -> String {
        let line = |token: &Token| format!("{AUTHORIZATION}: {}\r\n", token.authorization());
        self.0.token.as_ref().map_or_else(String::new, line)
    }

    /// The target of a test.
    #[cfg(test)]
    pub(crate) fn of_url(url: &str, token: Option<Token>) -> Self {
        Self(ClientConfig { url: url.parse().unwrap(), role: weir_api::Role::Ingest, token, trust: Trust::System })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/events", self.0.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_events_is_appended() {
        for (url, path, text) in [
            ("http://127.0.0.1:3000", "/events", "http://127.0.0.1:3000/events"),
            ("https://[::1]:8080/a/b/", "/a/b/events", "https://[::1]:8080/a/b/events"),
        ] {
            let target = Target::of_url(url, None);
            assert_eq!((target.path().as_str(), target.to_string().as_str()), (path, text));
        }
    }

    #[test]
    fn only_the_authorization_field_shows_the_token() {
        assert_eq!(Target::of_url("http://weir.example", None).authorization(), "");
        let token = Token::first_of(" s3cret== , other").unwrap();
        let target = Target::of_url("http://weir.example", Some(token));
        assert_eq!(target.authorization(), "authorization: Bearer s3cret==\r\n");
        assert!(!format!("{target:?} {target}").contains("s3cret"));
    }
}
