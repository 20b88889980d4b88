//! The validated settings of a server.

use crate::http::HttpConfig;
use crate::tokens::TokenSources;
use std::path::PathBuf;
use weir::EngineConfig;
#[cfg(feature = "cluster")]
use weir_log::jetstream::ClusterUrl;

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
    /// The log. Without it all data is in memory, and a restart begins empty.
    pub log: Option<LogSettings>,
}

/// Where a server logs all that it acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSettings {
    /// On this machine.
    Journal(JournalSettings),
    /// On the servers of a cluster, which this server is a node of.
    #[cfg(feature = "cluster")]
    Cluster(ClusterSettings),
}

/// The cluster of a server: where its log is, and how the server connects to it.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The NATS servers, and the name of the streams.
    pub url: ClusterUrl,
    /// The name of this node, for people; none for the name of the machine.
    pub node: Option<String>,
    /// Creates the streams that are missing. Without it, a missing stream is an error: a wrong account looks empty.
    pub may_create: bool,
    /// Whether streams without further copies are good enough, for development.
    pub may_have_one_replica: bool,
    /// The size limit of a new stream of frames in bytes. New events are refused at 90 % of it.
    pub max_bytes: u64,
    /// The file with the secret of the cluster: 64 hexadecimal digits, the same on all nodes.
    pub secret_file: PathBuf,
    /// The monitoring ports of the NATS servers, `http://HOST:PORT`. They say whether a server syncs each entry.
    pub monitors: Vec<String>,
    /// How the node proves who it is to the NATS servers.
    pub login: ClusterLogin,
    /// A PEM file with the certificates of the authorities that the node trusts; without one, those of the system.
    pub ca_file: Option<PathBuf>,
}

/// How a node proves who it is to the NATS servers. All secrets are in files.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterLogin {
    /// The servers take everyone.
    #[default]
    None,
    /// A name, and a file with the password.
    Password {
        /// The name.
        user: String,
        /// The file with the password.
        file: PathBuf,
    },
    /// A file with a token.
    TokenFile(PathBuf),
    /// A file with a JWT and the seed of a key, as `nsc` writes it.
    CredentialsFile(PathBuf),
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
