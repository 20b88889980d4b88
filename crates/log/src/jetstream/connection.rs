//! The connection to the servers of a cluster.

use super::error::{ClusterError, one_line};
use super::url::ClusterUrl;
use crate::limits::{
    INLINE_BYTES_MAX, MESSAGE_OVERHEAD_BYTES, NATS_PING_MS, NATS_REQUEST_MS_MAX, NATS_VERSION_MIN, RECONNECT_MS,
};
use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a node connects to the servers of a cluster.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The servers and the name of the streams.
    pub url: ClusterUrl,
    /// How the node proves who it is.
    pub credentials: Credentials,
    /// A file with the certificates of the authorities that the node trusts; without one, those of the system.
    pub ca_file: Option<PathBuf>,
}

/// How a node proves who it is.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The servers take everyone.
    #[default]
    None,
    /// A name and a password.
    UserPassword(String, String),
    /// A token.
    Token(String),
    /// A file with a JWT and the seed of a key, as `nsc` writes it.
    File(PathBuf),
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserPassword(..) => "UserPassword",
            Self::Token(_) => "Token",
            Self::File(_) => "File",
        })
    }
}

impl Connection {
    /// Connects to one of the servers. Later the client reconnects by itself, for as long as it lives.
    pub(super) async fn connect(&self) -> Result<Client, ClusterError> {
        let servers = self.url.servers.join(",");
        let addresses = self.url.servers.iter().map(|server| server.parse::<async_nats::ServerAddr>());
        let addresses: Result<Vec<_>, _> = addresses.collect();
        let addresses = addresses.map_err(|error| ClusterError::Setting(one_line(error)))?;
        let client = self.options().await?.connect(addresses).await;
        let client = client.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                ClusterError::Login { servers, why: one_line(error) }
            }
            _ => ClusterError::Connection { servers, why: one_line(error) },
        })?;
        check(&client)?;
        Ok(client)
    }

    async fn options(&self) -> Result<ConnectOptions, ClusterError> {
        let options = ConnectOptions::new()
            .name("weir")
            .connection_timeout(Duration::from_millis(NATS_REQUEST_MS_MAX))
            .request_timeout(Some(Duration::from_millis(NATS_REQUEST_MS_MAX)))
            .ping_interval(Duration::from_millis(NATS_PING_MS))
            .max_reconnects(None)
            .reconnect_delay_callback(|_| Duration::from_millis(RECONNECT_MS));
        let options = match &self.ca_file {
            Some(file) => options.add_root_certificates(file.clone()),
            None => options,
        };
        Ok(match &self.credentials {
            Credentials::None => options,
            Credentials::UserPassword(user, password) => options.user_and_password(user.clone(), password.clone()),
            Credentials::Token(token) => options.token(token.clone()),
            Credentials::File(path) => options.credentials_file(path).await.map_err(|error| {
                let error = one_line(error);
                ClusterError::Setting(format!("cannot read the credentials {}: {error}; check it", path.display()))
            })?,
        })
    }
}

/// Checks what the server says of itself.
fn check(client: &Client) -> Result<(), ClusterError> {
    let (info, (major, minor, patch)) = (client.server_info(), NATS_VERSION_MIN);
    if !client.is_server_compatible(major, minor, patch) {
        return Err(ClusterError::OldServer { found: info.version });
    }
    let needed = INLINE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES;
    if info.max_payload < needed {
        let found = info.max_payload;
        let text = format!("the NATS server takes messages of {found} bytes; set its max_payload to {needed} or more");
        return Err(ClusterError::Setting(text));
    }
    Ok(())
}
