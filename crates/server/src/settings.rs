//! The validated settings of a server.

use crate::http::HttpConfig;
use crate::tokens::TokenSources;
use std::path::PathBuf;
use weir::EngineConfig;

/// The settings of a [`Server`](crate::Server).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The settings of the engine.
    pub engine: EngineConfig,
    /// The settings of the HTTP API.
    pub http: HttpConfig,
    /// The files for TLS. Without them the server speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The bearer tokens of each role. A role without a token is open to everyone.
    pub tokens: TokenSources,
    /// The journal. Without it all data is in memory, and a restart begins empty.
    pub journal: Option<JournalSettings>,
}

/// The journal of a server: a directory with all that the server has acknowledged and still needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The directory. It is created if it is missing, but not its parent.
    pub dir: PathBuf,
    /// The size limit of the entries in bytes. New events are refused at 90 % of it.
    pub max_bytes: u64,
    /// Refuses to create a journal: a volume that is not mounted looks like an empty directory.
    pub must_exist: bool,
    /// Starts also if the clock is far behind the newest entry of the journal. Until it has caught up, the server uses
    /// the time of that entry.
    pub ignore_clock: bool,
}

/// The PEM files with the certificate and the key of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificates: PathBuf,
    /// The private key of the server's certificate.
    pub key: PathBuf,
}
