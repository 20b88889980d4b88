//! The URL of a cluster: its servers, and the name of its streams.

use super::error::ClusterError;
use crate::limits::{CLUSTER_NAME_BYTES_MAX, CLUSTER_SERVERS_MAX};
use std::fmt;
use std::str::FromStr;

const NAME: &str = "WEIR";
const EXAMPLE: &str = "nats://HOST:PORT,HOST:PORT/STREAM";

/// `nats://HOST:PORT,…[/STREAM]`. The scheme `tls` requires TLS. Without a name, the stream is `WEIR`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterUrl {
    /// Each server as `scheme://host:port`.
    pub(super) servers: Vec<String>,
    /// The name of the stream of frames. The names of the other streams begin with it.
    pub(super) name: String,
}

impl ClusterUrl {
    /// The name of the stream of frames.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.name
    }
}

impl FromStr for ClusterUrl {
    type Err = ClusterError;

    fn from_str(text: &str) -> Result<Self, ClusterError> {
        let wrong = |why: &str| ClusterError::Setting(format!("the URL of the cluster {why}; write {EXAMPLE}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        if !matches!(scheme, "nats" | "tls") {
            return Err(wrong("has an unknown scheme"));
        }
        if rest.contains('@') {
            return Err(wrong("has credentials, which others could read; give a file or a variable instead"));
        }
        let (hosts, name) = rest.split_once('/').unwrap_or((rest, NAME));
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        if name.is_empty() || name.len() > CLUSTER_NAME_BYTES_MAX || !name.chars().all(is_name) {
            return Err(wrong("has a stream name that is not 1 to 32 letters, digits, _ or -"));
        }
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > CLUSTER_SERVERS_MAX || !hosts.iter().all(|host| is_host(host)) {
            return Err(wrong("has no list of servers"));
        }
        let servers = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        Ok(Self { servers, name: name.to_owned() })
    }
}

/// Whether the text is `HOST`, `HOST:PORT` or `[IPV6]:PORT`.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host_char = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
    !host.is_empty() && host.chars().all(is_host_char) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl fmt::Display for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.servers.join(","), self.name)
    }
}

impl fmt::Debug for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_the_name_are_read() {
        for (text, servers, name) in [
            ("nats://a:4222", vec!["nats://a:4222"], "WEIR"),
            ("nats://a,b:1,10.0.0.1:2/orders", vec!["nats://a", "nats://b:1", "nats://10.0.0.1:2"], "orders"),
            ("tls://[::1]:4222/W_1-x", vec!["tls://[::1]:4222"], "W_1-x"),
        ] {
            let url: ClusterUrl = text.parse().unwrap();
            assert_eq!((url.servers, url.name.as_str()), (servers.into_iter().map(str::to_owned).collect(), name));
        }
    }

    #[test]
    fn other_texts_are_refused_in_one_line_that_shows_the_form() {
        let long = format!("nats://a/{}", "x".repeat(33));
        for text in [
            "a:4222",
            "http://a",
            "nats://",
            "nats://a,,b",
            "nats://a:x",
            "nats://a:70000",
            "nats://user:secret@a",
            "nats://a/",
            "nats://a/b.c",
            "nats://a/b/c",
            "nats://a b",
            &long,
        ] {
            let error = text.parse::<ClusterUrl>().unwrap_err().to_string();
            assert!(error.contains("nats://HOST:PORT") && !error.contains('\n'), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
