//! The settings of `weir demo`.

use crate::client::Token;
use crate::serve::ServeSettings;

/// The server, and its traffic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DemoSettings {
    /// The settings of the server. They include the tokens of the demo.
    pub serve: ServeSettings,
    /// Events per second, on average.
    pub rate: u32,
    /// Users in the reference table.
    pub users: u32,
    /// The tokens of the demo.
    pub tokens: DemoTokens,
}

/// The tokens that the demo sends to its own server, if the server needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DemoTokens {
    /// For events.
    pub ingest: Option<Token>,
    /// For the reference table.
    pub admin: Option<Token>,
}
