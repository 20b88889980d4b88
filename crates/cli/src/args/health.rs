//! The arguments of `weir health`.

use crate::args::client::ServerArgs;
use crate::client::health::HealthOptions;
use clap::Args;
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir health
  weir health --ready --url https://weir.example --ca ca.pem

The health endpoints need no token, and this command sends none.

Environment:
  WEIR_URL  the URL of the server

Exit codes:
  0  the server is healthy; with --ready, it also accepts events
  1  the server did not respond, or is not ready";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    server: ServerArgs,

    /// Check that the server accepts events (GET /readyz), not only that it responds (GET /healthz).
    #[arg(long)]
    ready: bool,
}

impl HealthArgs {
    /// What to check.
    pub(super) fn validate(self) -> HealthOptions {
        HealthOptions { client: self.server.client(Role::Read, None), ready: self.ready }
    }
}
