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
}

/// The PEM files with the certificate and the key of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificates: PathBuf,
    /// The private key of the server's certificate.
    pub key: PathBuf,
}
