//! Why a request came to nothing, in one line that says what to do next.

use crate::client::printable::Printable;

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio_rustls::rustls;
use ureq::Timeout;
use weir_api::{ProblemDocument, Role};

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody listens there: the request was not sent.
    Absent {
        /// The server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// No answer came; whether the server has taken the request is not known.
    Lost {
        /// The server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server's certificate is not believed.
    Untrusted {
        /// The server.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server refused the request.
    Refused(Box<Refusal>),
    /// The answer is none that a weir server gives.
    Unsound {
        /// The server.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The server.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// What the server says about it; empty where it says nothing that is understood.
    pub problem: ProblemDocument,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// What the request takes.
    pub role: Role,
}

impl Failure {
    pub(super) fn of_transport(url: String, error: &ureq::Error) -> Self {
        let reason = error.to_string();
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed => Self::Absent { url, reason },
            ureq::Error::Timeout(_) => Self::Lost { url, reason },
            ureq::Error::Io(error) => Self::of_io(url, error),
            _ => Self::Unsound { url, reason },
        }
    }

    fn of_io(url: String, error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (error.kind(), tls) {
            (_, Some(tls @ rustls::Error::InvalidCertificate(_))) => Self::Untrusted { url, reason: untrusted(tls) },
            (_, Some(tls)) => Self::Unsound { url, reason: tls.to_string() },
            (ErrorKind::ConnectionRefused, _) => Self::Absent { url, reason: "connection refused".to_owned() },
            (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _) => {
                Self::Absent { url, reason: error.to_string() }
            }
            (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof, _) => {
                Self::Lost { url, reason: "the connection was lost".to_owned() }
            }
            // The standard library gives this one no kind, only these words.
            _ if error.to_string().starts_with("failed to lookup address") => {
                Self::Absent { url, reason: "there is no such host".to_owned() }
            }
            _ => Self::Lost { url, reason: error.to_string() },
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::Lost { .. } => true,
            Self::Refused(refusal) => matches!(refusal.status, 408 | 429 | 502 | 503 | 504),
            Self::Untrusted { .. } | Self::Unsound { .. } => false,
        }
    }

    /// Whether the server may have taken the request all the same. A gateway may have lost the answer, too.
    pub(crate) fn may_be_taken(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Unsound { .. } => true,
            Self::Refused(refusal) => matches!(refusal.status, 502 | 504),
            Self::Absent { .. } | Self::Untrusted { .. } => false,
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// Why a certificate is not believed.
fn untrusted(error: &rustls::Error) -> String {
    let text = error.to_string();
    // What `openssl req -x509` makes unless it is told otherwise.
    match text.contains("CaUsedAsEndEntity") {
        true => "its certificate is an authority's; make the server's with basicConstraints=CA:FALSE".to_owned(),
        false => text,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { url, reason } => {
                write!(f, "cannot reach {url}: {}; is weir running? start it with `weir serve`", Printable(reason))
            }
            Self::Lost { url, reason } => write!(f, "no answer from {url}: {}", Printable(reason)),
            Self::Untrusted { url, reason } => {
                write!(f, "cannot trust {url}: {}; --ca names the file of its authority", Printable(reason))
            }
            Self::Unsound { url, reason } => {
                write!(f, "{url} does not answer as weir does: {}; is the URL right?", Printable(reason))
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, status, problem: ProblemDocument { code, detail, pointer, current_ts, .. }, role, .. } = self;
        let variable = role.token_variable();
        match status {
            401 => return write!(f, "{url} rejected the token (401): set {variable} or --token-file"),
            403 => {
                let role = role.name();
                return write!(f, "{url} knows the token, but not for {role}: set {variable} or --token-file");
            }
            _ if code.is_empty() => {
                return write!(f, "{url} answers with status {status}, and not as weir does; is the URL right?");
            }
            _ => write!(f, "{url} refused: {} ({status} {})", Printable(detail), Printable(code))?,
        }
        if let Some(pointer) = pointer {
            write!(f, ", at {}", Printable(pointer))?;
        }
        if let Some(ts) = current_ts {
            write!(f, "; the server's table has timestamp {}", Printable(ts))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Failure {
        let problem = ProblemDocument { code: code.into(), detail: "so it is".into(), ..ProblemDocument::default() };
        let url = "http://weir.example".to_owned();
        Failure::Refused(Box::new(Refusal { url, status, problem, retry_after: None, role: Role::Admin }))
    }

    #[test]
    fn each_failure_says_what_to_do_next() {
        let absent = io::Error::from(ErrorKind::ConnectionRefused);
        let absent = Failure::of_transport("http://127.0.0.1:3000".into(), &ureq::Error::Io(absent));
        assert_eq!(
            absent.to_string(),
            "cannot reach http://127.0.0.1:3000: connection refused; is weir running? start it with `weir serve`"
        );
        for (failure, says) in [
            (refused(401, "unauthorized"), "set WEIR_ADMIN_TOKEN or --token-file"),
            (refused(403, "forbidden"), "but not for admin: set WEIR_ADMIN_TOKEN"),
            (refused(409, "stale_reference"), "refused: so it is (409 stale_reference)"),
            (refused(404, ""), "is the URL right?"),
        ] {
            let line = failure.to_string();
            assert!(line.contains(says) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, is_passing, may_be_taken) in
            [(400, false, false), (500, false, false), (503, true, false), (502, true, true), (504, true, true)]
        {
            let failure = refused(status, "x");
            assert_eq!((failure.is_passing(), failure.may_be_taken()), (is_passing, may_be_taken), "{status}");
        }
        let lost = io::Error::from(ErrorKind::ConnectionReset);
        let lost = Failure::of_transport(String::new(), &ureq::Error::Io(lost));
        assert!(lost.is_passing() && lost.may_be_taken());
        let unknown = std::net::ToSocketAddrs::to_socket_addrs("nowhere.invalid:80").unwrap_err();
        for absent in [ErrorKind::ConnectionRefused.into(), unknown] {
            let absent = Failure::of_transport(String::new(), &ureq::Error::Io(absent));
            assert!(matches!(absent, Failure::Absent { .. }), "{absent}");
            assert!(absent.is_passing() && !absent.may_be_taken());
        }
    }
}
