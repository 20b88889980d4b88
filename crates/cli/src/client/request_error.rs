//! Request errors, with a one-line hint.

use crate::client::escape_control::EscapeControl;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio_rustls::rustls;
use ureq::Timeout;
use weir_api::{ProblemCode, ProblemDocument, Role};

/// Why a request failed. The text is one line that says what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// There was no connection: the request was not sent.
    Unreachable {
        /// The URL of the server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// No response came. It is unknown whether the server processed the request.
    NoResponse {
        /// The URL of the server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The client does not trust the certificate of the server.
    Untrusted {
        /// The URL of the server.
        url: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The server rejected the request.
    Rejected(Box<ErrorResponse>),
    /// The response is not from a weir server.
    InvalidResponse {
        /// The URL of the server.
        url: String,
        /// What is wrong with the response.
        reason: String,
    },
}

/// A response without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    /// The URL of the server.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The problem document; empty if the body is not one.
    pub problem: ProblemDocument,
    /// The time in `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The role that the request needs.
    pub role: Role,
}

impl RequestError {
    pub(super) fn from_transport(url: String, error: &ureq::Error) -> Self {
        let reason = error.to_string();
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed => Self::Unreachable { url, reason },
            ureq::Error::Timeout(_) => Self::NoResponse { url, reason },
            ureq::Error::Io(error) => Self::from_io(url, error),
            _ => Self::InvalidResponse { url, reason },
        }
    }

    /// The error of a connection attempt, or of a connection.
    pub(crate) fn from_io(url: String, error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (error.kind(), tls) {
            (_, Some(tls @ rustls::Error::InvalidCertificate(_))) => {
                Self::Untrusted { url, reason: certificate_error(tls) }
            }
            (_, Some(tls)) => Self::InvalidResponse { url, reason: tls.to_string() },
            (ErrorKind::ConnectionRefused, _) => Self::Unreachable { url, reason: "connection refused".to_owned() },
            (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _) => {
                Self::Unreachable { url, reason: error.to_string() }
            }
            (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof, _) => {
                Self::NoResponse { url, reason: "the connection was lost".to_owned() }
            }
            // The standard library has no kind for this error, only this text.
            _ if error.to_string().starts_with("failed to lookup address") => {
                Self::Unreachable { url, reason: "host not found".to_owned() }
            }
            _ => Self::NoResponse { url, reason: error.to_string() },
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NoResponse { .. } => true,
            Self::Rejected(response) => matches!(response.status, 408 | 429 | 502 | 503 | 504),
            Self::Untrusted { .. } | Self::InvalidResponse { .. } => false,
        }
    }

    /// Whether the server may have processed the request in spite of the error. A gateway may have lost the response,
    /// and the log of a server may have taken a part of the request without an answer.
    pub(crate) fn may_be_processed(&self) -> bool {
        match self {
            Self::NoResponse { .. } | Self::InvalidResponse { .. } => true,
            Self::Rejected(response) => {
                matches!(response.status, 502 | 504)
                    || response.problem.known_code() == Some(ProblemCode::LogUnavailable)
            }
            Self::Unreachable { .. } | Self::Untrusted { .. } => false,
        }
    }

    /// The time in `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(response) => response.retry_after,
            _ => None,
        }
    }
}

/// What is wrong with a certificate.
fn certificate_error(error: &rustls::Error) -> String {
    let text = error.to_string();
    // By default, `openssl req -x509` makes such a certificate.
    match text.contains("CaUsedAsEndEntity") {
        true => "its certificate is a CA certificate; create it with basicConstraints=CA:FALSE".to_owned(),
        false => text,
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { url, reason } => {
                write!(f, "cannot reach {url}: {}; is weir running? start it with `weir serve`", EscapeControl(reason))
            }
            Self::NoResponse { url, reason } => write!(f, "no response from {url}: {}", EscapeControl(reason)),
            Self::Untrusted { url, reason } => {
                write!(f, "cannot trust {url}: {}; set --ca to the PEM file of its CA", EscapeControl(reason))
            }
            Self::InvalidResponse { url, reason } => {
                write!(f, "{url} does not respond as a weir server: {}; check the URL", EscapeControl(reason))
            }
            Self::Rejected(response) => response.fmt(f),
        }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, status, problem: ProblemDocument { code, detail, pointer, current_ts, .. }, role, .. } = self;
        let variable = role.token_variable();
        match status {
            401 => return write!(f, "{url} rejected the token (401): set {variable} or --token-file"),
            403 if code == ProblemCode::Forbidden.as_str() => {
                let role = role.name();
                return write!(f, "{url} rejected the token for {role} (403): set {variable} or --token-file");
            }
            404 | 405 if has_path(url) && ["", "not_found", "method_not_allowed"].contains(&code.as_str()) => {
                return write!(
                    f,
                    "{url} does not have the resource ({status}); --url is the address of the server, without the path \
                     of a resource such as /events"
                );
            }
            _ if code.is_empty() => {
                return write!(f, "{url} does not respond as a weir server: status {status}; check the URL");
            }
            _ => write!(f, "{url} rejected the request: {} ({status} {})", EscapeControl(detail), EscapeControl(code))?,
        }
        if let Some(pointer) = pointer {
            write!(f, ", at {}", EscapeControl(pointer))?;
        }
        if let Some(ts) = current_ts {
            write!(f, "; the server's table has timestamp {}", EscapeControl(ts))?;
        }
        Ok(())
    }
}

/// Whether the URL of a server has a path: the prefix of a proxy, or by mistake the path of a resource.
fn has_path(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, code: &str) -> RequestError {
        let problem = ProblemDocument { code: code.into(), detail: "so it is".into(), ..ProblemDocument::default() };
        let url = "http://weir.example".to_owned();
        RequestError::Rejected(Box::new(ErrorResponse { url, status, problem, retry_after: None, role: Role::Admin }))
    }

    #[test]
    fn each_error_says_what_to_do_next() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let unreachable = RequestError::from_transport("http://127.0.0.1:3000".into(), &ureq::Error::Io(refused));
        assert_eq!(
            unreachable.to_string(),
            "cannot reach http://127.0.0.1:3000: connection refused; is weir running? start it with `weir serve`"
        );
        for (error, hint) in [
            (rejected(401, "unauthorized"), "set WEIR_ADMIN_TOKEN or --token-file"),
            (rejected(403, "forbidden"), "for admin (403): set WEIR_ADMIN_TOKEN"),
            (rejected(409, "stale_reference"), "rejected the request: so it is (409 stale_reference)"),
            (rejected(404, ""), "check the URL"),
        ] {
            let line = error.to_string();
            assert!(line.contains(hint) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_missing_resource_below_a_path_has_a_hint() {
        let hint = "--url is the address of the server, without the path of a resource such as /events";
        for (url, status, code, has_hint) in [
            ("http://weir.example/events", 404, "not_found", true),
            ("http://weir.example/events", 404, "", true),
            ("http://weir.example/reference/users", 405, "method_not_allowed", true),
            ("http://weir.example/prefix", 404, "unknown_user", false),
            ("http://weir.example", 404, "not_found", false),
            ("http://weir.example/prefix", 503, "overloaded", false),
        ] {
            let RequestError::Rejected(mut response) = rejected(status, code) else { panic!() };
            response.url = url.to_owned();
            let line = RequestError::Rejected(response).to_string();
            assert!(line.starts_with(url) && line.contains(hint) == has_hint, "{line}");
        }
    }

    #[test]
    fn only_temporary_errors_are_retried() {
        for (status, code, is_temporary, may_be_processed) in [
            (400, "x", false, false),
            (500, "x", false, false),
            (502, "x", true, true),
            (503, "overloaded", true, false),
            (503, "not_ready", true, false),
            (503, "log_unavailable", true, true),
            (504, "x", true, true),
        ] {
            let error = rejected(status, code);
            assert_eq!((error.is_temporary(), error.may_be_processed()), (is_temporary, may_be_processed), "{code}");
        }
        let reset = io::Error::from(ErrorKind::ConnectionReset);
        let no_response = RequestError::from_transport(String::new(), &ureq::Error::Io(reset));
        assert!(no_response.is_temporary() && no_response.may_be_processed());
        let unknown_host = std::net::ToSocketAddrs::to_socket_addrs("nowhere.invalid:80").unwrap_err();
        for error in [ErrorKind::ConnectionRefused.into(), unknown_host] {
            let error = RequestError::from_transport(String::new(), &ureq::Error::Io(error));
            assert!(matches!(error, RequestError::Unreachable { .. }), "{error}");
            assert!(error.is_temporary() && !error.may_be_processed());
        }
    }
}
