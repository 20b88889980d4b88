//! Why a cluster cannot be opened. Each error is one line that says what to do next.

use crate::limits::NATS_VERSION_MIN;
use std::fmt;

/// Why a cluster cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterError {
    /// A setting is not valid.
    Setting(String),
    /// No server of the cluster can be reached.
    Connection {
        /// The servers that were tried.
        servers: String,
        /// The error of the last attempt.
        why: String,
    },
    /// The servers do not know this node.
    Login {
        /// The servers that were tried.
        servers: String,
        /// Their answer.
        why: String,
    },
    /// The server is too old.
    OldServer {
        /// The version of the server.
        found: String,
    },
    /// A stream is missing, and it may not be created.
    Missing {
        /// The name of the stream.
        stream: String,
    },
    /// A stream has another configuration than the one that this node needs.
    Different {
        /// The name of the stream.
        stream: String,
        /// What differs, one text for each setting.
        differences: Vec<String>,
    },
    /// A newer version of weir created a stream.
    NewerFormat {
        /// The name of the stream.
        stream: String,
        /// The format of the stream.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The nodes of the cluster write frames of a newer version.
    NewerFrames {
        /// The name of the stream.
        stream: String,
        /// The version of the frames.
        found: u8,
        /// The newest version that this weir reads.
        known: u8,
    },
    /// The servers did not do what they were asked for.
    Request {
        /// What was tried.
        what: String,
        /// The answer of the servers, or that there was none.
        why: String,
    },
}

impl ClusterError {
    pub(super) fn request(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Request { what: what.into(), why: one_line(why) }
    }

    /// Whether a later attempt can succeed without a change of the settings.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connection { .. } | Self::Request { .. })
    }
}

/// The text of an error of the library, which may have several lines.
pub(super) fn one_line(error: impl fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(text) => f.write_str(text),
            Self::Connection { servers, why } => {
                write!(f, "cannot connect to {servers}: {why}; check the addresses and the servers")
            }
            Self::Login { servers, why } => {
                write!(
                    f,
                    "{servers} refuse the login: {why}; check the user, the password, the token or the credentials"
                )
            }
            Self::OldServer { found } => {
                let (major, minor, patch) = NATS_VERSION_MIN;
                write!(f, "the NATS server has version {found}; use version {major}.{minor}.{patch} or newer")
            }
            Self::Missing { stream } => write!(
                f,
                "the cluster has no stream {stream}; check the account and the name, or create the streams once"
            ),
            Self::Different { stream, differences } => write!(
                f,
                "the stream {stream} belongs to another configuration: {}; use the settings of the stream, \
                 or name another stream",
                differences.join(", ")
            ),
            Self::NewerFormat { stream, found, known } => write!(
                f,
                "the stream {stream} has format {found}, and this version knows up to {known}; use a newer weir"
            ),
            Self::NewerFrames { stream, found, known } => write!(
                f,
                "the frames of the stream {stream} have version {found}, and this version reads up to {known}; use a \
                 newer weir"
            ),
            Self::Request { what, why } => write!(f, "cannot {what}: {why}; check the state of the NATS servers"),
        }
    }
}

impl std::error::Error for ClusterError {}
