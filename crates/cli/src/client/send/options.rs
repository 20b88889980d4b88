//! The options of `weir send`.

use crate::client::{ClientConfig, Source};
use std::path::PathBuf;
use std::time::Duration;

/// What to send, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SendOptions {
    /// The server.
    pub client: ClientConfig,
    /// The input.
    pub source: Source,
    /// The maximum number of events in a request.
    pub batch_events: usize,
    /// The maximum size of a request before compression, and of a line, in bytes.
    pub batch_bytes: usize,
    /// How long a line waits for more lines.
    pub linger: Duration,
    /// How long temporary failures of a batch are retried.
    pub retry_for: Duration,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// The file for the rejected events, if it is wanted.
    pub refused: Option<PathBuf>,
    /// Whether duplicates fail the run.
    pub fail_on_duplicates: bool,
}
