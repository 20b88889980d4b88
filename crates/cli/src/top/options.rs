//! The options of `weir top`.

use crate::client::ClientConfig;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopOptions {
    /// The server.
    pub client: ClientConfig,
    /// The length of the window in seconds. Without it, the server uses its default.
    pub window_secs: Option<u32>,
    /// The filters, as names and values of query parameters: a type, or an attribute of the user.
    pub filters: Vec<(String, String)>,
    /// Whether to print the metrics once, as text.
    pub once: bool,
}
