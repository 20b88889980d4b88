//! `weir health`: a check of a server, for containers whose image has no other HTTP client.

use crate::client::{Client, ClientConfig};
use crate::limits;
use crate::output;
use std::error::Error;

/// What to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthOptions {
    /// The server.
    pub client: ClientConfig,
    /// Whether the server must accept events. Otherwise it only has to respond.
    pub ready: bool,
}

/// Prints `ok` if the server is healthy.
///
/// # Errors
/// One line: the server did not respond, or is not ready.
pub(crate) fn check(options: &HealthOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::with_timeout(&options.client, limits::CLIENT_HEALTH_TIMEOUT)?;
    client.get(if options.ready { "/readyz" } else { "/healthz" })?;
    Ok(output::print("ok\n")?)
}
