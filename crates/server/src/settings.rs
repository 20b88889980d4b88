//! A server's settings, validated.

use crate::http::HttpConfig;
use crate::tokens::TokenSources;
use std::path::PathBuf;
use weir::EngineConfig;

/// What a [`Server`](crate::Server) is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The settings of the engine.
    pub engine: EngineConfig,
    /// The settings of the HTTP interface.
    pub http: HttpConfig,
    /// The files for TLS; without them the server speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The tokens of each role.
    pub tokens: TokenSources,
}

/// The PEM files that identify the server to TLS clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificates: PathBuf,
    /// The private key of the server's certificate.
    pub key: PathBuf,
}
