//! Which hosts requests may name. A web page can make its own host name resolve to an address of this machine (DNS
//! rebinding). Then the page and the server have the same origin for the browser, and only the `Host` field shows the
//! foreign name.

use crate::http::origin::port_of;
use crate::limits;
use axum::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};

/// The hosts that requests may name in addition to those of the listen address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// These hosts. A host without a port is allowed with every port.
    Listed(Vec<Authority>),
    /// All hosts.
    Any,
}

impl Default for AllowedHosts {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl AllowedHosts {
    /// Parses a list of hosts, such as `weir.example` or `weir.example:8080`; or just `*`.
    ///
    /// # Errors
    /// One line that names the invalid host.
    pub fn parse(hosts: &[String]) -> Result<Self, String> {
        if hosts == ["*"] {
            return Ok(Self::Any);
        }
        if hosts.len() > limits::ALLOWED_HOSTS_MAX {
            return Err(format!("at most {} hosts can be listed", limits::ALLOWED_HOSTS_MAX));
        }
        let host = |text: &String| {
            let host = text.parse().ok().filter(|host: &Authority| {
                !host.host().is_empty() && !host.as_str().contains('@') && port_of(host).is_some()
            });
            host.ok_or_else(|| format!("{text:?} is not a host such as weir.example or weir.example:3000"))
        };
        hosts.iter().map(host).collect::<Result<_, _>>().map(Self::Listed)
    }
}

/// Decides whether a request may name a host.
#[derive(Debug)]
pub(crate) struct HostPolicy {
    listen_ip: IpAddr,
    allowed: AllowedHosts,
}

impl HostPolicy {
    /// The policy of a server that listens on `listen`.
    pub(crate) fn new(listen: SocketAddr, allowed: AllowedHosts) -> Self {
        Self { listen_ip: listen.ip().to_canonical(), allowed }
    }

    /// Whether a request may name `host`. The names of a server that other machines can reach are unknown, so it allows
    /// all names until some are listed.
    pub(crate) fn allows(&self, host: &Authority) -> bool {
        let listed = match &self.allowed {
            AllowedHosts::Any => return true,
            AllowedHosts::Listed(listed) => listed,
        };
        if listed.is_empty() && !self.listen_ip.is_loopback() {
            return true;
        }
        let name = host.host().trim_end_matches('.').to_ascii_lowercase();
        let is_listed = |listed: &Authority| {
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
        for host in ["", "http://a", "a/b", "u@a", "a:b", "a b", ":80"] {
            let error = AllowedHosts::parse(&[host.to_owned()]).unwrap_err();
            assert!(error.starts_with(&format!("{host:?} is not a host")), "{error}");
        }
        assert!(AllowedHosts::parse(&vec!["a".to_owned(); limits::ALLOWED_HOSTS_MAX + 1]).is_err());
    }
}
