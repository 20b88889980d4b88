//! Errors of an exchange.

use std::fmt;
use std::io::{self, ErrorKind};

/// Why a request was not acknowledged. It is unknown whether the server accepted its events.
///
/// The text is a key in the JSON report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExchangeError {
    /// There was no connection.
    Connect(ErrorKind),
    /// The connection was lost, or made no progress for too long.
    Transport(ErrorKind),
    /// The response cannot be parsed, for this reason.
    Malformed(&'static str),
    /// 503 because the log of the server did not answer. It may have taken a part of the request.
    LogUnavailable,
    /// The status of the response is neither 200 nor 503.
    Status(u16),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "cannot connect: {kind}"),
            // The kind of a socket timeout depends on the system.
            Self::Transport(ErrorKind::WouldBlock | ErrorKind::TimedOut) => f.write_str("no progress: timed out"),
            Self::Transport(kind) => write!(f, "broken connection: {kind}"),
            Self::Malformed(reason) => write!(f, "unreadable answer: {reason}"),
            Self::LogUnavailable => f.write_str("the log of the server did not answer"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        Self::Transport(error.kind())
    }
}

impl From<ErrorKind> for ExchangeError {
    fn from(kind: ErrorKind) -> Self {
        Self::Transport(kind)
    }
}
